"""Images to tensors, as the official processor prepares them.

Values are only rescaled to [0, 1]; mean and standard deviation are not applied.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from harness.rgb import as_rgb

DUMMY_SIDE = 256
"""Side in pixels of a dummy image before it is prepared like any other."""


def to_pixels(image: Image.Image) -> Tensor:
    """An RGB image as (3, H, W), float32 in [0, 1]."""
    values = np.asarray(image, dtype=np.float64) * (1 / 255)
    return torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1).contiguous()


def to_image(pixels: Tensor) -> Image.Image:
    """Pixels (3, H, W), clamped to [0, 1] and rounded to 8 bits, as an RGB image."""
    values = pixels.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())


def for_understanding(image: Image.Image, side: int) -> Tensor:
    """Fit the longer side to `side` (bicubic) and pad with black, centred: (3, side, side)."""
    image = as_rgb(image)
    scale = min(side / image.height, side / image.width)
    width, height = _scaled(image, scale)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (side - width) // 2, (side - height) // 2
    border = (left, top, side - width - left, side - height - top)
    return to_pixels(ImageOps.expand(resized, border=border, fill=(0, 0, 0)))


def for_generation(image: Image.Image, side: int) -> Tensor:
    """Resize the shorter side to `side` (bicubic) and crop the centre: (3, side, side)."""
    image = as_rgb(image)
    width, height = _scaled(image, side / min(image.size))
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    return to_pixels(resized.crop((left, top, left + side, top + side)))


def dummy_pixels(side: int, seed: int) -> Tensor:
    """A random-noise image, prepared for understanding: (3, side, side), a function of the seed."""
    generator = torch.Generator().manual_seed(seed)
    size = (DUMMY_SIDE, DUMMY_SIDE, 3)
    noise = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
    return for_understanding(Image.fromarray(noise.numpy()), side)


def _scaled(image: Image.Image, scale: float) -> tuple[int, int]:
    """Width and height after scaling, rounded; at least one pixel."""
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))
