"""Masks as run lengths: a mask of a megapixel takes a few hundred bytes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["RLE", "decode_mask", "encode_mask", "mask_box"]


class RLE(msgspec.Struct, frozen=True):
    """A binary mask: runs of 0 and 1 in turn, beginning with 0, down the columns as in COCO."""

    size: tuple[int, int]
    """Height and width."""
    counts: tuple[int, ...]
    """Lengths of the runs; the first is 0 where the mask begins with 1."""


def encode_mask(mask: npt.NDArray[Any]) -> RLE:
    """Run lengths of a mask, as COCO's uncompressed format has them.

    Args:
        mask: (H, W), boolean or 0 and 1.

    Raises:
        ValueError: It hasn't two axes.

    Example:
        >>> encode_mask(np.array([[0, 1], [1, 1]]))
        RLE(size=(2, 2), counts=(1, 3))
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask has height and width, got shape {mask.shape}")
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    first = [0] if flat.size and flat[0] else []
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist() if flat.size else []
    return RLE(size=(mask.shape[0], mask.shape[1]), counts=(*first, *counts))


def decode_mask(rle: RLE) -> npt.NDArray[np.bool_]:
    """The mask (H, W) of run lengths.

    Raises:
        ValueError: The runs don't add up to the size, or one is negative.

    Example:
        >>> decode_mask(RLE(size=(2, 2), counts=(1, 3))).tolist()
        [[False, True], [True, True]]
    """
    height, width = rle.size
    if any(count < 0 for count in rle.counts) or sum(rle.counts) != height * width:
        raise ValueError(f"runs of {sum(rle.counts)} pixels don't fit a mask of {height}x{width}")
    values = np.arange(len(rle.counts)) % 2 == 1
    return np.repeat(values, rle.counts).reshape(rle.size, order="F")


def mask_box(mask: npt.NDArray[Any]) -> tuple[int, int, int, int]:
    """Smallest box x0, y0, x1, y1 around a mask's pixels, ends excluded; zeros if it has none.

    Example:
        >>> mask_box(np.array([[0, 0, 0], [0, 1, 1]]))
        (1, 1, 3, 2)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return (0, 0, 0, 0)
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
