"""Pictures and prompts for measurements: functions of a seed, of no benchmark's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["noise_picture"]


def noise_picture(side: int, seed: int) -> Image:
    """A noise picture of `side` x `side` pixels, RGB."""
    import numpy as np
    from PIL import Image as PILImage

    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return PILImage.fromarray(values)
