"""Boxes: overlap, and where one lies relative to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RELATIONS", "Box", "compute_iou", "relative_position"]

Box = npt.NDArray[np.floating[Any]] | Sequence[float]

RELATIONS = ("left of", "right of", "above", "below")
"""All relations, in the order in which `relative_position` lists them."""

_MIN_OFFSET = 1e-3  # pixels; closer than this, two boxes have no relation at all
_MIN_DIRECTION = 0.5  # of the unit offset vector: within 60 degrees of the axis


def compute_iou(box_a: Box, box_b: Box) -> float:
    """Intersection over union of two boxes whose corners are inclusive pixels.

    As `compute_iou` of djghosh13/geneval at commit af4902f under numpy 1.23: sides are subtracted
    in the boxes' own precision and everything after that is double precision.

    Args:
        box_a: x0, y0, x1, y1 in pixels; further elements are ignored.
        box_b: The same.

    Returns:
        A value in [0, 1] for boxes with x0 <= x1 and y0 <= y1; 0 where the union is empty.

    Example:
        >>> compute_iou([0, 0, 9, 9], [0, 5, 9, 14])
        0.3333333333333333
    """
    overlap = (
        max(box_a[0], box_b[0]),
        max(box_a[1], box_b[1]),
        min(box_a[2], box_b[2]),
        min(box_a[3], box_b[3]),
    )
    intersection = _area(overlap)
    union = _area(box_a) + _area(box_b) - intersection
    return intersection / union if union else 0.0


def _area(box: Box) -> float:
    width = max(float(box[2] - box[0]) + 1, 0.0)
    height = max(float(box[3] - box[1]) + 1, 0.0)
    return width * height


def relative_position(
    box_a: Box, box_b: Box, *, position_threshold: float = 0.1
) -> tuple[str, ...]:
    """Where A lies relative to B; diagonal neighbours have two relations.

    The offset between the centres is shrunk by a share of both boxes' sizes, so that boxes that
    overlap much have no relation. As `relative_position` of djghosh13/geneval at commit af4902f;
    computed in float32 if both boxes are float32, else in float64.

    Args:
        box_a: x0, y0, x1, y1 in pixels, y downwards; further elements are ignored.
        box_b: The same.
        position_threshold: Share of the summed widths (heights) by which the offset shrinks.

    Returns:
        The relations that hold, in the order of `RELATIONS`.

    Example:
        >>> relative_position([0, 0, 10, 10], [100, 0, 110, 10])
        ('left of',)
        >>> relative_position([0, 0, 10, 10], [100, 100, 110, 110])
        ('left of', 'above')
    """
    corners = np.stack([np.asarray(box)[:4] for box in (box_a, box_b)]).reshape(2, 2, 2)
    if not np.issubdtype(corners.dtype, np.floating):
        corners = corners.astype(np.float64)
    center_a, center_b = corners.mean(axis=1)
    size_a, size_b = np.abs(corners[:, 1] - corners[:, 0])
    offset = center_a - center_b
    # The threshold enters as an array element of the same precision, never as a wider scalar.
    margin = corners.dtype.type(position_threshold) * (size_a + size_b)
    shrunk = np.maximum(np.abs(offset) - margin, 0) * np.sign(offset)
    if np.all(np.abs(shrunk) < corners.dtype.type(_MIN_OFFSET)):
        return ()
    dx, dy = shrunk / np.linalg.norm(offset)
    holds = (dx < -_MIN_DIRECTION, dx > _MIN_DIRECTION, dy < -_MIN_DIRECTION, dy > _MIN_DIRECTION)
    return tuple(name for name, true in zip(RELATIONS, holds, strict=True) if true)
