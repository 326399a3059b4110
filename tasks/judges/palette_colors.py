"""A classical colour classifier: the palette's nearest colour, pixel by pixel, by majority.

It names the colours of the embedded world's shapes without any weights, and stands in for CLIP
where scoring itself is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.records import Identity
from tasks.judges.interface import Crop
from tasks.judges.rle import decode_mask
from tasks.shapes.world.palette import BACKGROUND, COLORS

__all__ = ["PALETTE_IDENTITY", "PaletteColors"]

PALETTE_IDENTITY = Identity(
    id="palette", version="1", settings={"colors": [[name, *rgb] for name, rgb in COLORS.items()]}
)
"""What `PaletteColors` is."""


class PaletteColors:
    """Names colours of flat shapes on the embedded world's background."""

    def identity(self) -> Identity:
        """The palette."""
        return PALETTE_IDENTITY

    def classify(self, crops: Sequence[Crop]) -> list[str]:
        """The palette colour that most of an object's pixels are nearest to.

        Pixels nearest to the background count only if there are no others.
        """
        return [_name(_object_pixels(crop)) for crop in crops]


def _object_pixels(crop: Crop) -> npt.NDArray[Any]:
    height, width = crop.image.shape[:2]
    x0, y0, x1, y1 = (round(float(side)) for side in crop.box)
    rows = slice(max(0, min(y0, height - 1)), max(y0 + 1, min(y1, height)))
    columns = slice(max(0, min(x0, width - 1)), max(x0 + 1, min(x1, width)))
    pixels = crop.image[rows, columns].reshape(-1, 3)
    if crop.mask is None:
        return pixels
    inside = decode_mask(crop.mask)[rows, columns].ravel()
    return pixels[inside] if inside.any() else pixels


def _name(pixels: npt.NDArray[Any]) -> str:
    palette = np.array([*COLORS.values(), BACKGROUND], dtype=np.float64)
    distances = ((pixels[:, None].astype(np.float64) - palette) ** 2).sum(axis=2)
    votes = np.bincount(distances.argmin(axis=1), minlength=len(palette))[: len(COLORS)]
    if not votes.any():  # nothing but background: the nearest of the colours
        votes = np.bincount(distances[:, : len(COLORS)].argmin(axis=1), minlength=len(COLORS))
    return list(COLORS)[int(votes.argmax())]
