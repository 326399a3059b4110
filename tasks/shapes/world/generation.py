"""Text-to-image samples of GenEval's six skills, with its wording and its metadata record."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tasks.shapes.world.layouts import RELATIONS, count_boxes, pair_boxes, single_box
from tasks.shapes.world.palette import COLORS, NUMBER_WORDS, SHAPES, plural
from tasks.shapes.world.scene import Scene, ShapeObject
from tasks.shapes.world.seeds import generator

__all__ = ["SKILLS", "GenerationSample", "draw_objects", "generation_sample"]

SKILLS: tuple[str, ...] = (
    "single_object",
    "two_object",
    "counting",
    "colors",
    "position",
    "color_attr",
)
"""GenEval's tags; sample `index` has skill `SKILLS[index % 6]`."""

_COLOR_NAMES = tuple(COLORS)


class GenerationSample(NamedTuple):
    """A prompt, what GenEval's scorer checks, and one scene that satisfies it."""

    prompt: str
    """Prompt in GenEval's wording."""
    metadata: dict[str, Any]
    """GenEval record: `tag`, `include`, `exclude` (counting only), `prompt`."""
    scene: Scene
    """A scene the prompt describes."""


def _pick(rng: np.random.Generator, names: tuple[str, ...], count: int) -> list[str]:
    """`count` different names."""
    return [names[i] for i in rng.permutation(len(names))[:count]]


def _any_colors(rng: np.random.Generator, count: int) -> list[str]:
    return [_COLOR_NAMES[i] for i in rng.integers(len(_COLOR_NAMES), size=count)]


def draw_objects(
    shapes: list[str], colors: list[str], boxes: list[tuple[float, float, float, float]]
) -> Scene:
    """A scene from parallel lists."""
    rows = zip(shapes, colors, boxes, strict=True)
    return Scene(objects=tuple(ShapeObject(shape=s, color=c, box=b) for s, c, b in rows))


def _record(prompt: str, tag: str, include: list[dict[str, Any]], scene: Scene) -> GenerationSample:
    return GenerationSample(prompt, {"tag": tag, "include": include, "prompt": prompt}, scene)


def _single_object(rng: np.random.Generator) -> GenerationSample:
    (shape,) = _pick(rng, SHAPES, 1)
    scene = draw_objects([shape], _any_colors(rng, 1), [single_box(rng)])
    include = [{"class": shape, "count": 1}]
    return _record(f"a photo of a {shape}", "single_object", include, scene)


def _colors(rng: np.random.Generator) -> GenerationSample:
    (shape,), (color,) = _pick(rng, SHAPES, 1), _pick(rng, _COLOR_NAMES, 1)
    scene = draw_objects([shape], [color], [single_box(rng)])
    include = [{"class": shape, "count": 1, "color": color}]
    return _record(f"a photo of a {color} {shape}", "colors", include, scene)


def _two_object(rng: np.random.Generator) -> GenerationSample:
    first, second = _pick(rng, SHAPES, 2)
    boxes = list(pair_boxes(rng, RELATIONS[int(rng.integers(4))]))
    scene = draw_objects([first, second], _any_colors(rng, 2), boxes)
    include = [{"class": first, "count": 1}, {"class": second, "count": 1}]
    return _record(f"a photo of a {first} and a {second}", "two_object", include, scene)


def _counting(rng: np.random.Generator) -> GenerationSample:
    (shape,), count = _pick(rng, SHAPES, 1), int(rng.integers(2, 5))
    colors = _any_colors(rng, 1) * count
    scene = draw_objects([shape] * count, colors, count_boxes(rng, count))
    prompt = f"a photo of {NUMBER_WORDS[count]} {plural(shape)}"
    metadata = {
        "tag": "counting",
        "include": [{"class": shape, "count": count}],
        "exclude": [{"class": shape, "count": count + 1}],
        "prompt": prompt,
    }
    return GenerationSample(prompt, metadata, scene)


def _position(rng: np.random.Generator) -> GenerationSample:
    first, second = _pick(rng, SHAPES, 2)
    relation = RELATIONS[int(rng.integers(4))]
    boxes = list(pair_boxes(rng, relation))
    scene = draw_objects([first, second], _any_colors(rng, 2), boxes)
    include = [
        {"class": second, "count": 1},
        {"class": first, "count": 1, "position": [relation, 0]},
    ]
    return _record(f"a photo of a {first} {relation} a {second}", "position", include, scene)


def _color_attr(rng: np.random.Generator) -> GenerationSample:
    shapes, colors = _pick(rng, SHAPES, 2), _pick(rng, _COLOR_NAMES, 2)
    boxes = list(pair_boxes(rng, RELATIONS[int(rng.integers(4))]))
    include = [
        {"class": shape, "count": 1, "color": color}
        for shape, color in zip(shapes, colors, strict=True)
    ]
    prompt = f"a photo of a {colors[0]} {shapes[0]} and a {colors[1]} {shapes[1]}"
    return _record(prompt, "color_attr", include, draw_objects(shapes, colors, boxes))


_MAKERS = {
    "single_object": _single_object,
    "two_object": _two_object,
    "counting": _counting,
    "colors": _colors,
    "position": _position,
    "color_attr": _color_attr,
}


def generation_sample(seed: int, split: str, index: int) -> GenerationSample:
    """Sample `index` of the generation stream; skills take turns.

    Example:
        >>> generation_sample(0, "test", 2).metadata["tag"]
        'counting'
    """
    return _MAKERS[SKILLS[index % len(SKILLS)]](generator(seed, split, "generation", index))
