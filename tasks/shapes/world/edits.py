"""Edit samples: recolour one object, or replace it by another shape."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from tasks.shapes.world.generation import draw_objects
from tasks.shapes.world.layouts import RELATIONS, pair_boxes, single_box
from tasks.shapes.world.palette import COLORS, SHAPES
from tasks.shapes.world.scene import Scene
from tasks.shapes.world.seeds import generator

__all__ = ["EDIT_KINDS", "EditSample", "edit_sample"]

EDIT_KINDS: tuple[str, ...] = ("recolor", "replace")
"""Kinds; sample `index` has kind `EDIT_KINDS[index % 2]`."""


class EditSample(NamedTuple):
    """An instruction with the scene before and after."""

    kind: str
    """`recolor` or `replace`."""
    instruction: str
    """What to do, naming the object by its class."""
    source: Scene
    """The scene before."""
    target: Scene
    """The scene after: the source with one object changed."""
    changed: int
    """Index of the changed object in both scenes."""


def _source(rng: np.random.Generator) -> Scene:
    count = int(rng.integers(1, 3))
    shapes = [SHAPES[i] for i in rng.permutation(len(SHAPES))[:count]]
    colors = [tuple(COLORS)[i] for i in rng.permutation(len(COLORS))[:count]]
    if count == 1:
        return draw_objects(shapes, colors, [single_box(rng)])
    return draw_objects(shapes, colors, list(pair_boxes(rng, RELATIONS[int(rng.integers(4))])))


def _other(rng: np.random.Generator, names: tuple[str, ...], taken: set[str]) -> str:
    free = [name for name in names if name not in taken]
    return free[int(rng.integers(len(free)))]


def edit_sample(seed: int, split: str, index: int) -> EditSample:
    """Sample `index` of the edit stream; kinds take turns.

    The new colour or class differs from those of every object in the source.

    Example:
        >>> edit_sample(0, "test", 1).kind
        'replace'
    """
    rng = generator(seed, split, "edit", index)
    kind = EDIT_KINDS[index % len(EDIT_KINDS)]
    source = _source(rng)
    changed = int(rng.integers(len(source.objects)))
    old = source.objects[changed]
    if kind == "recolor":
        color = _other(rng, tuple(COLORS), {o.color for o in source.objects})
        new, text = msgspec.structs.replace(old, color=color), f"make the {old.shape} {color}"
    else:
        shape = _other(rng, SHAPES, {o.shape for o in source.objects})
        new = msgspec.structs.replace(old, shape=shape)
        text = f"replace the {old.shape} with a {shape}"
    objects = list(source.objects)
    objects[changed] = new
    return EditSample(kind, text, source, Scene(objects=tuple(objects)), changed)
