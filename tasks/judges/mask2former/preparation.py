"""Images as mmdet's COCO test pipeline prepares them: resize, normalise, pad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DIVISOR", "LONG_SIDE", "SHORT_SIDE", "Prepared", "pad_together", "prepare", "scaled"]

LONG_SIDE, SHORT_SIDE = 1333, 800
"""The scaled image fits both."""

DIVISOR = 32
"""Padded sides are multiples of it."""

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)


class Prepared(NamedTuple):
    """An image for the network."""

    pixels: Tensor
    """Normalised pixels (3, h, w), float32, without padding."""
    size: tuple[int, int]
    """Height and width of the image as given."""


def scaled(height: int, width: int) -> tuple[int, int]:
    """Height and width after scaling, as mmcv's `rescale_size` rounds them.

    Example:
        >>> scaled(512, 512), scaled(300, 900)
        ((800, 800), (444, 1333))
    """
    factor = min(LONG_SIDE / max(height, width), SHORT_SIDE / min(height, width))
    return int(height * factor + 0.5), int(width * factor + 0.5)


def prepare(image: npt.NDArray[np.uint8]) -> Prepared:
    """Resize (bilinear, on float32 as mmdet loads) and normalise.

    Args:
        image: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: The image isn't of that form, or has no pixels.
    """
    import cv2
    import torch

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    height, width = scaled(*image.shape[:2])
    resized = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    pixels = ((resized - _MEAN) / _STD).transpose(2, 0, 1)
    return Prepared(
        torch.from_numpy(np.ascontiguousarray(pixels)), (image.shape[0], image.shape[1])
    )


def pad_together(images: Sequence[Tensor]) -> Tensor:
    """Images of one size as a batch (N, 3, H, W), padded right and below with zeros."""
    import torch
    from torch.nn.functional import pad

    _, height, width = images[0].shape
    return pad(torch.stack(list(images)), (0, -width % DIVISOR, 0, -height % DIVISOR))
