"""Clean renders of text with the one font that every installation has: Pillow's own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

__all__ = ["FONT_NAME", "clean_render", "drawable", "font", "text_width"]

FONT_NAME = "Aileron Regular (Pillow)"
"""The font; it has the characters of ASCII and few others."""

_MARGIN = 0.08
_LARGEST = 0.3
_SHRINK = 0.9
_SMALLEST = 5
_LEADING = 1.3
_NOWHERE = "\uffff"


@lru_cache(maxsize=64)
def font(size: int) -> FreeTypeFont:
    """Pillow's font.

    Args:
        size: Pixels of the em square; capitals are about 0.7 of it high.

    Example:
        >>> font(20).getname()
        ('Aileron', 'Regular')
    """
    from PIL import ImageFont

    loaded = ImageFont.load_default(size)
    assert isinstance(loaded, ImageFont.FreeTypeFont)  # noqa: S101 -- as Pillow is built with it
    # Raqm is there on some machines only; plain layout is everywhere the same.
    return loaded.font_variant(layout_engine=ImageFont.Layout.BASIC)


def drawable(text: str) -> bool:
    """Whether the font has every character.

    Example:
        >>> drawable("OPEN 24/7"), drawable("\u5f00")
        (True, False)
    """
    return all(character.isspace() or _has(character) for character in text)


@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: int) -> float:
    """Pixels that a line of text takes."""
    return float(font(size).getlength(text))


def clean_render(text: str, width: int, height: int) -> Image:
    """Black text on white, as large as it fits, lines broken between words.

    Letters are at most 0.3 of the height; where the text doesn't fit at 5 pixels, it runs over the
    edge: that picture can't show it.

    Args:
        text: What it says.
        width: Pixels.
        height: Pixels.

    Returns:
        An RGB picture of that size.

    Example:
        >>> clean_render("OPEN", 256, 128).size
        (256, 128)
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), "white")
    size, lines = _layout(text, width * (1 - 2 * _MARGIN), height * (1 - 2 * _MARGIN))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        middle = height / 2 + (number - (len(lines) - 1) / 2) * size * _LEADING
        pen.text((width / 2, middle), line, fill="black", font=font(size), anchor="mm")
    return picture


@lru_cache(maxsize=1024)
def _has(character: str) -> bool:
    return bytes(font(20).getmask(character)) != bytes(font(20).getmask(_NOWHERE))


def _layout(text: str, width: float, height: float) -> tuple[int, list[str]]:
    """The largest size at which the text fits, and its lines."""
    for size in _sizes(height):
        lines = _broken(text, width, size)
        narrow = max(text_width(line, size) for line in lines) <= width
        if narrow and len(lines) * size * _LEADING <= height:
            return size, lines
    return _SMALLEST, _broken(text, width, _SMALLEST)


def _sizes(height: float) -> Iterator[int]:
    size = int(height * _LARGEST)
    while size > _SMALLEST:
        yield size
        size = min(size - 1, int(size * _SHRINK))
    yield _SMALLEST


def _broken(text: str, width: float, size: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
