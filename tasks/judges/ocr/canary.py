"""Pictures of words for canaries: block letters, so that no font is involved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["text_canaries"]

_GLYPHS = {
    "E": (31, 16, 16, 30, 16, 16, 31),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "L": (16, 16, 16, 16, 16, 16, 31),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "T": (31, 4, 4, 4, 4, 4, 4),
}
"""Letters of 5 x 7 cells: seven rows each, row's cells as bits from the left."""

_PAPER = 240
_INK = (30, 40, 90)


def text_canaries() -> list[npt.NDArray[np.uint8]]:
    """Three pictures (H, W, 3) uint8, the same everywhere: a word, two lines, a blank page.

    Example:
        >>> [image.shape for image in text_canaries()]
        [(64, 64, 3), (160, 256, 3), (96, 96, 3)]
    """
    word = _page(64, 64, [("LOT", 10, 20)], cell=2)
    lines = _page(160, 256, [("HOTEL", 30, 20), ("HELLO", 30, 90)], cell=6)
    return [word, lines, _page(96, 96, [], cell=1)]


def _page(
    height: int, width: int, words: list[tuple[str, int, int]], cell: int
) -> npt.NDArray[np.uint8]:
    page = np.full((height, width, 3), _PAPER, np.uint8)
    for word, left, top in words:
        for place, letter in enumerate(word):
            ink = np.kron(_bits(letter), np.ones((cell, cell), bool)).astype(bool)
            x = left + 6 * cell * place + cell * place
            page[top : top + 7 * cell, x : x + 5 * cell][ink] = _INK
    return page


def _bits(letter: str) -> npt.NDArray[np.bool_]:
    rows = [[bool(row >> (4 - column) & 1) for column in range(5)] for row in _GLYPHS[letter]]
    return np.array(rows)
