"""Four-option questions over a scene, in five categories, with circular rotations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasks.shapes.world.generation import draw_objects
from tasks.shapes.world.layouts import RELATIONS, count_boxes, pair_boxes, single_box
from tasks.shapes.world.palette import COLORS, NUMBER_WORDS, SHAPES, plural
from tasks.shapes.world.scene import Scene
from tasks.shapes.world.seeds import generator

__all__ = ["CATEGORIES", "LETTERS", "MCQSample", "format_mcq", "mcq_sample", "rotations"]

CATEGORIES: tuple[str, ...] = ("color", "shape", "count", "position", "existence")
"""Question categories; sample `index` has category `CATEGORIES[index % 5]`."""

LETTERS = "ABCD"
"""Labels of the four options."""

_COLOR_NAMES = tuple(COLORS)


class MCQSample(NamedTuple):
    """A four-option question."""

    question: str
    """The question, without its options."""
    options: tuple[str, str, str, str]
    """The options, in the order of `LETTERS`."""
    answer: int
    """Index of the right option."""
    scene: Scene
    """The scene asked about."""
    category: str
    """One of `CATEGORIES`."""


def format_mcq(question: str, options: tuple[str, ...]) -> str:
    """Question and options as one prompt.

    Example:
        >>> print(format_mcq("how many?", ("one", "two")))
        how many?
        A. one
        B. two
    """
    lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines])


def rotations(sample: MCQSample) -> list[MCQSample]:
    """The four circular rotations of a question; the first is the sample itself."""
    turned = []
    for shift in range(len(sample.options)):
        a, b, c, d = sample.options[shift:] + sample.options[:shift]
        answer = (sample.answer - shift) % len(sample.options)
        turned.append(sample._replace(options=(a, b, c, d), answer=answer))
    return turned


def _names(rng: np.random.Generator, names: tuple[str, ...], count: int) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))[:count]]


def _one_or_two(rng: np.random.Generator) -> Scene:
    """One object, or two of different class and colour."""
    count = int(rng.integers(1, 3))
    shapes, colors = _names(rng, SHAPES, count), _names(rng, _COLOR_NAMES, count)
    if count == 1:
        return draw_objects(shapes, colors, [single_box(rng)])
    return draw_objects(shapes, colors, list(pair_boxes(rng, RELATIONS[int(rng.integers(4))])))


def _color(rng: np.random.Generator) -> tuple[str, str, tuple[str, ...], Scene]:
    scene = _one_or_two(rng)
    item = scene.objects[int(rng.integers(len(scene.objects)))]
    return f"what color is the {item.shape}?", item.color, _COLOR_NAMES, scene


def _shape(rng: np.random.Generator) -> tuple[str, str, tuple[str, ...], Scene]:
    scene = _one_or_two(rng)
    item = scene.objects[int(rng.integers(len(scene.objects)))]
    return f"what shape is the {item.color} object?", item.shape, SHAPES, scene


def _count(rng: np.random.Generator) -> tuple[str, str, tuple[str, ...], Scene]:
    (shape,), count = _names(rng, SHAPES, 1), int(rng.integers(1, 5))
    boxes = [single_box(rng)] if count == 1 else count_boxes(rng, count)
    colors = [_COLOR_NAMES[i] for i in rng.integers(len(_COLOR_NAMES), size=count)]
    scene = draw_objects([shape] * count, colors, boxes)
    options = tuple(NUMBER_WORDS.values())
    return f"how many {plural(shape)} are in the image?", NUMBER_WORDS[count], options, scene


def _position(rng: np.random.Generator) -> tuple[str, str, tuple[str, ...], Scene]:
    first, second = _names(rng, SHAPES, 2)
    relation = RELATIONS[int(rng.integers(4))]
    scene = draw_objects(
        [first, second], _names(rng, _COLOR_NAMES, 2), list(pair_boxes(rng, relation))
    )
    return f"where is the {first} relative to the {second}?", relation, RELATIONS, scene


def _existence(rng: np.random.Generator) -> tuple[str, str, tuple[str, ...], Scene]:
    (shape,), (color,) = _names(rng, SHAPES, 1), _names(rng, _COLOR_NAMES, 1)
    scene = draw_objects([shape], [color], [single_box(rng)])
    every = tuple(f"a {c} {s}" for c in _COLOR_NAMES for s in SHAPES)
    return "which of these is in the image?", f"a {color} {shape}", every, scene


_MAKERS = {
    "color": _color,
    "shape": _shape,
    "count": _count,
    "position": _position,
    "existence": _existence,
}


def mcq_sample(seed: int, split: str, index: int) -> MCQSample:
    """Sample `index` of the question stream; categories take turns, answers are uniform.

    Example:
        >>> mcq_sample(0, "test", 3).category
        'position'
    """
    rng = generator(seed, split, "mcq", index)
    category = CATEGORIES[index % len(CATEGORIES)]
    question, right, pool, scene = _MAKERS[category](rng)
    wrong = _names(rng, tuple(name for name in pool if name != right), 3)
    answer = int(rng.integers(4))
    wrong.insert(answer, right)
    a, b, c, d = wrong
    return MCQSample(question, (a, b, c, d), answer, scene, category)
