"""Pictures of any kind as the RGB pictures that models take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["as_rgb"]


def as_rgb(image: Image) -> Image:
    """A picture as RGB, 8 bits per channel, upright.

    It's turned as its EXIF orientation says. 16-bit grey levels are scaled (Pillow's own conversion
    would clip them to white). Transparency is dropped, as the field's evaluation scripts do.

    Args:
        image: A picture of any mode.

    Example:
        >>> from PIL import Image
        >>> as_rgb(Image.new("I;16", (1, 1), 32896)).getpixel((0, 0))
        (128, 128, 128)
    """
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        upright = _eight_bits(upright)
    return upright.convert("RGB")


def _eight_bits(image: Image) -> Image:
    """Grey levels up to 65,535 scaled to 255; levels that fit into 8 bits stay."""
    import numpy as np
    from PIL import Image as PILImage

    levels = np.asarray(image).astype(np.int64)
    sixteen = image.mode.startswith("I;16") or levels.max(initial=0) > 255
    scaled = (levels + 128) // 257 if sixteen else levels
    return PILImage.fromarray(scaled.clip(0, 255).astype(np.uint8))
