"""Pages, signs and lines of text at a given font size: what a vision tokenizer has to keep."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tasks.ocr.words import LONG_WORDS, MIDDLE_WORDS, SHORT_WORDS, Dice

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LAYOUTS", "MIN_SIDE", "SIZES", "Page", "draw_page", "page"]

SIZES = (8, 10, 12, 16, 24, 32)
"""Font sizes in pixels; capitals are about 0.7 of that high."""

LAYOUTS = ("page", "line", "sign")
"""Up to six lines of text; one line; a frame with one or two words in capitals."""

MIN_SIDE = 128
"""Smallest side of a picture, in pixels, that holds a word of the largest size."""

_LINES = 6
_LEADING = 1.5
_MARGIN = 8
_INKS = ("black", "#202060", "#5a1010", "#103c20", "#333333")
_PAPERS = ("white", "#f4f0e0", "#e8f0fa", "#f0f0f0", "#fdf6d8")
_WORDS = SHORT_WORDS + MIDDLE_WORDS + LONG_WORDS


class Page(NamedTuple):
    """A picture of text."""

    lines: tuple[str, ...]
    """What it says, line by line."""
    layout: str
    """One of `LAYOUTS`."""
    size: int
    """Font size in pixels."""
    left: int
    """Pixels from the left edge to the text."""
    top: int
    """Pixels from the top edge to the text."""
    ink: str
    """Colour of the letters."""
    paper: str
    """Colour of the background."""

    @property
    def text(self) -> str:
        """All lines, with newlines between them."""
        return "\n".join(self.lines)


def page(size: int, number: int, side: int, seed: int = 0) -> Page:
    """Page `number` of a font size; layouts take turns.

    Args:
        size: Font size in pixels.
        number: 0 and above.
        side: Width and height of the picture in pixels, at least `MIN_SIDE`.
        seed: Seed, >= 0.

    Example:
        >>> page(16, 2, 256).layout
        'sign'
    """
    dice = Dice(seed, f"ocr-roundtrip/{size}/{side}/{number}")
    layout = LAYOUTS[number % len(LAYOUTS)]
    lines = _lines(dice, layout, size, side - 2 * _MARGIN)
    return Page(
        lines=lines,
        layout=layout,
        size=size,
        left=_MARGIN + dice.below(1 + int(side - 2 * _MARGIN - _widest(lines, size))),
        top=_MARGIN + dice.below(1 + int(side - 2 * _MARGIN - _height(len(lines), size))),
        ink=dice.pick(_INKS),
        paper=dice.pick(_PAPERS),
    )


def draw_page(page: Page, side: int) -> Image:
    """The page as an RGB picture of `side` x `side` pixels.

    Example:
        >>> draw_page(page(16, 0, 256), 256).size
        (256, 256)
    """
    from PIL import Image, ImageDraw

    from tasks.ocr.lettering import font

    picture = Image.new("RGB", (side, side), page.paper)
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(page.lines):
        # Anchored at the middle of ascent and descent, so lines are evenly spaced.
        y = page.top + (number + 0.5) * page.size * _LEADING
        pen.text((page.left, y), line, fill=page.ink, font=font(page.size), anchor="lm")
    if page.layout == "sign":
        right = page.left + _widest(page.lines, page.size)
        bottom = page.top + _height(len(page.lines), page.size)
        frame = (page.left - 6, page.top - 4, right + 6, bottom + 4)
        pen.rectangle(frame, outline=page.ink, width=2)
    return picture


def _lines(dice: Dice, layout: str, size: int, width: int) -> tuple[str, ...]:
    if layout == "sign":
        words = _fitting(size, width, upper=True)
        return tuple(dice.pick(words) for _ in range(1 + dice.below(2)))
    count = 1 if layout == "line" else min(_LINES, int(width / (size * _LEADING)))
    return tuple(_line(dice, size, width) for _ in range(count))


def _line(dice: Dice, size: int, width: int) -> str:
    """As many words as fit, eight at most."""
    from tasks.ocr.lettering import text_width

    line = dice.pick(_fitting(size, width))
    for _ in range(7):
        longer = f"{line} {dice.pick(_WORDS)}"
        if text_width(longer, size) > width:
            break
        line = longer
    return line


@lru_cache(maxsize=64)
def _fitting(size: int, width: int, *, upper: bool = False) -> tuple[str, ...]:
    """Short words that a line holds."""
    from tasks.ocr.lettering import text_width

    words = (word.upper() if upper else word for word in SHORT_WORDS)
    return tuple(word for word in words if text_width(word, size) <= width)


def _widest(lines: tuple[str, ...], size: int) -> float:
    from tasks.ocr.lettering import text_width

    return max(text_width(line, size) for line in lines)


def _height(lines: int, size: int) -> float:
    return lines * size * _LEADING
