"""Four pictures in one: the 2x2 grid in which some benchmarks store what they draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["CELLS", "cut_grid", "paste_grid"]

CELLS = 4
"""Pictures of a grid: the upper row from left to right, then the lower one."""


def paste_grid(pictures: Sequence[Image]) -> Image:
    """One RGB image of twice the width and height; cells without a picture stay black.

    Args:
        pictures: One to four pictures of one size.

    Raises:
        ValueError: There are none or too many, or their sizes differ.

    Example:
        >>> from PIL import Image
        >>> paste_grid([Image.new("RGB", (2, 3), "red")] * 4).size
        (4, 6)
    """
    from PIL import Image as Images

    sizes = {picture.size for picture in pictures}
    if not 1 <= len(pictures) <= CELLS or len(sizes) != 1:
        shown = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise ValueError(f"a grid takes 1 to {CELLS} pictures of one size, not these: {shown}")
    ((width, height),) = sizes
    grid = Images.new("RGB", (2 * width, 2 * height))
    for cell, picture in enumerate(pictures):
        grid.paste(picture, (cell % 2 * width, cell // 2 * height))
    return grid


def cut_grid(grid: Image, cell: int) -> Image:
    """One picture of a grid, the exact pixels that were pasted.

    Args:
        grid: An image of even width and height.
        cell: Its number, 0 to 3.

    Raises:
        ValueError: There's no such cell, or the image isn't a grid.

    Example:
        >>> from PIL import Image
        >>> cut_grid(Image.new("RGB", (4, 6)), 3).size
        (2, 3)
    """
    if not 0 <= cell < CELLS:
        raise ValueError(f"a grid has cells 0 to {CELLS - 1}, not {cell}")
    if grid.width % 2 or grid.height % 2:
        raise ValueError(f"{grid.width}x{grid.height} pixels can't be four equal pictures")
    width, height = grid.width // 2, grid.height // 2
    left, top = cell % 2 * width, cell // 2 * height
    return grid.crop((left, top, left + width, top + height))
