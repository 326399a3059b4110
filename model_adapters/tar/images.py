"""Pictures to pixels in three ways, and pixels to pictures."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from harness.rgb import as_rgb

__all__ = ["to_image", "to_pixels"]


def to_pixels(image: Image.Image, side: int, preprocess: str) -> Tensor:
    """A picture as (3, side, side), float32 in [0, 1]; its aspect ratio is lost.

    Args:
        image: Of any mode and size.
        side: Pixels of TA-Tok.
        preprocess: `evaluation` resizes 8-bit pixels with Pillow's bicubic filter, as the released
            evaluation does. `demo` resizes floats bilinearly without antialiasing, as the released
            demos do with the torchvision 0.16 that they pin; `demo-antialiased` as they do with a
            later torchvision. The three give different codes for most pictures.
    """
    rgb = as_rgb(image)
    if preprocess == "evaluation":
        rgb = rgb.resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(rgb)).permute(2, 0, 1).float() / 255
    if preprocess == "evaluation":
        return pixels
    antialias = preprocess == "demo-antialiased"
    resized = F.interpolate(
        pixels[None], (side, side), mode="bilinear", align_corners=False, antialias=antialias
    )
    return resized[0]


def to_image(pixels: Tensor) -> Image.Image:
    """Pixels (3, H, W) in [-1, 1] as an RGB picture; clamped and truncated, as upstream does."""
    levels = ((pixels.detach().float() * 0.5 + 0.5).clamp(0, 1) * 255).to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())
