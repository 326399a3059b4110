"""The embedded world's words as pictures to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["world_word"]


def world_word(text: str) -> Image:
    """A word of three letters in black, in the middle of 64 x 64 pixels.

    Example:
        >>> world_word("HAT").size
        (64, 64)
    """
    from tasks.shapes.dataset import picture
    from tasks.shapes.world import IMAGE_SIZE, Scene, Word

    middle = IMAGE_SIZE / 2
    return picture(Scene(word=Word(text=text, color="black", center=(middle, middle))))
