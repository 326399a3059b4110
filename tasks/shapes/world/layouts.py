"""Where objects stand. Layouts keep objects inside the image and apart from each other."""

from __future__ import annotations

import numpy as np

from tasks.shapes.world.palette import IMAGE_SIZE
from tasks.shapes.world.scene import Box

__all__ = ["RELATIONS", "count_boxes", "opposite", "pair_boxes", "single_box"]

RELATIONS: tuple[str, ...] = ("left of", "right of", "above", "below")
"""GenEval's relations, in its order."""

_MIDDLE = IMAGE_SIZE / 2
_ARM = IMAGE_SIZE / 4
_OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def opposite(relation: str) -> str:
    """The same relation seen from the other object.

    Example:
        >>> opposite("above")
        'below'
    """
    return _OPPOSITE[relation]


def _box(x: float, y: float, size: float) -> Box:
    half = size / 2
    return x - half, y - half, x + half, y + half


def single_box(rng: np.random.Generator) -> Box:
    """One object, 22 to 36 pixels wide, near the middle of the image."""
    size = rng.uniform(22, 36)
    x, y = rng.uniform(-9, 9, 2)
    return _box(_MIDDLE + x, _MIDDLE + y, size)


def pair_boxes(rng: np.random.Generator, relation: str) -> tuple[Box, Box]:
    """Two objects; the first stands in `relation` to the second. Gaps are at least 4 pixels."""
    sizes = rng.uniform(17, 24, 2)
    along, across = rng.uniform(-1.5, 1.5, 2), rng.uniform(-8, 8) + rng.uniform(-2, 2, 2)
    sign = -1 if relation in ("left of", "above") else 1
    offsets = _MIDDLE + np.array([sign, -sign]) * _ARM + along
    points = np.stack([offsets, _MIDDLE + across], axis=1)
    if relation in ("above", "below"):
        points = points[:, ::-1]
    first, second = (
        _box(float(x), float(y), float(s)) for (x, y), s in zip(points, sizes, strict=True)
    )
    return first, second


def count_boxes(rng: np.random.Generator, count: int) -> list[Box]:
    """`count` (2 to 4) objects in different quadrants, 15 to 22 pixels wide each.

    Two objects stand side by side or one above the other, anywhere across.
    """
    if count == 2:
        return list(pair_boxes(rng, RELATIONS[int(rng.integers(4))]))
    cells = rng.permutation(4)[:count]
    sizes, jitter = rng.uniform(15, 22, count), rng.uniform(-3, 3, (count, 2))
    return [
        _box(_ARM + 2 * _ARM * (cell % 2) + dx, _ARM + 2 * _ARM * (cell // 2) + dy, size)
        for cell, size, (dx, dy) in zip(
            cells.tolist(), sizes.tolist(), jitter.tolist(), strict=True
        )
    ]
