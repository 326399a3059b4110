"""Bring odd pictures into a shape that engines take, and boxes back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_ASPECT", "Framed", "framed"]

MAX_ASPECT = 4
"""Longer or higher pictures get paper around them: detectors reduce the long side, and a picture
of 8000 x 50 would vanish."""


class Framed(NamedTuple):
    """A picture, perhaps with paper around it."""

    pixels: npt.NDArray[np.uint8]
    """(H, W, 3) uint8 RGB, the long side at most `MAX_ASPECT` times the short one."""
    left: int
    """Pixels added on the left."""
    top: int
    """Pixels added above."""


def framed(image: npt.NDArray[np.uint8]) -> Framed:
    """Add paper above and below, or left and right, of a picture that is too long.

    The paper has the median colour of the picture's outermost pixels.

    Args:
        image: (H, W, 3) uint8, at least one pixel.

    Raises:
        ValueError: It's something else.

    Example:
        >>> framed(np.zeros((10, 400, 3), np.uint8)).pixels.shape
        (100, 400, 3)
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"expected uint8 (height, width, 3), got {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    down = max(0, -(-width // MAX_ASPECT) - height)
    across = max(0, -(-height // MAX_ASPECT) - width)
    if not (down or across):
        return Framed(image, 0, 0)
    page = np.empty((height + down, width + across, 3), np.uint8)
    page[:] = np.median(_edge(image), axis=0).astype(np.uint8)
    top, left = down // 2, across // 2
    page[top : top + height, left : left + width] = image
    return Framed(page, left, top)


def _edge(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Outermost pixels: (n, 3)."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
