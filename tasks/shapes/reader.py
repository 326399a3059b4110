"""Reads the world's words off a picture by comparing each letter's cell with all letters.

It knows the font, so it reads clean pictures without error; on a decoded picture it tells whether
the letters are still themselves.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.shapes.world.palette import BACKGROUND, IMAGE_SIZE
from tasks.shapes.world.raster import CELL_WIDTH, render
from tasks.shapes.world.scene import Scene, Word
from tasks.shapes.world.words import WORD_LETTERS

__all__ = ["FittedWord", "fit_word", "read_word"]

_LENGTH = 3
_HALF_HEIGHT = 9
_SHIFTS_X = range(-4, 5)
_SHIFTS_Y = range(-12, 13)
_MIN_INK = 40.0
_FINE = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75)


def read_word(image: NDArray[np.uint8]) -> str:
    """Read a word of three letters.

    Args:
        image: uint8 (64, 64, 3), RGB.

    Returns:
        The word, or an empty string if there is too little ink or the size is another.

    Example:
        >>> from tasks.shapes.world import render, word_sample
        >>> sample = word_sample(0, "test", 0)
        >>> read_word(render(sample.scene)) == sample.answer
        True
    """
    return fit_word(image).text


class FittedWord(NamedTuple):
    """The word that fits a picture best."""

    text: str
    """Three letters, or nothing."""
    fit: float
    """Share of the ink's energy that the letters explain, in [0, 1]; 0 without a word."""


def fit_word(image: NDArray[np.uint8]) -> FittedWord:
    """Read a word of three letters, and say how well its letters explain the ink.

    Args:
        image: uint8 (64, 64, 3), RGB.

    Returns:
        The word of `read_word` with its fit.

    Example:
        >>> from tasks.shapes.world import render, word_sample
        >>> fit_word(render(word_sample(0, "test", 0).scene)).fit > 0.9
        True
    """
    if image.shape != (IMAGE_SIZE, IMAGE_SIZE, 3):
        return FittedWord("", 0.0)
    ink = _ink(image)
    if ink.sum() < _MIN_INK:
        return FittedWord("", 0.0)
    dx, dy = _locate(ink)
    cells = _cells(ink, dx, dy)
    costs = ((cells[None, :, None] - _templates()[:, None]) ** 2).sum((3, 4))
    finest = int(costs.min(2).sum(1).argmin())
    text = "".join(WORD_LETTERS[i] for i in costs[finest].argmin(1))
    energy = float((ink**2).sum())
    left = float(costs[finest].min(1).sum()) + energy - float((cells**2).sum())
    return FittedWord(text, max(0.0, 1 - left / energy))


def _locate(ink: NDArray[np.float64]) -> tuple[int, int]:
    """The whole-pixel shift of the word from the middle at which letters fit best."""
    plain, total = _templates()[len(_FINE) ** 2 // 2], (ink**2).sum()

    def cost(shift: tuple[int, int]) -> float:
        cells = _cells(ink, *shift)
        fit = ((cells[:, None] - plain[None]) ** 2).sum((2, 3)).min(1).sum()
        return float(fit + total - (cells**2).sum())  # ink left outside is unexplained

    return min(((dx, dy) for dy in _SHIFTS_Y for dx in _SHIFTS_X), key=cost)


def _ink(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How far each pixel is from the background, 1 for full ink: (64, 64)."""
    distance = np.linalg.norm(image.astype(np.float64) - np.array(BACKGROUND), axis=2)
    full = float(np.quantile(distance, 0.97))
    ink: NDArray[np.float64] = np.clip(distance / max(full, 1.0), 0.0, 1.0)
    return ink


def _cells(ink: NDArray[np.float64], dx: int, dy: int) -> NDArray[np.float64]:
    """The cells of the three letters of a word moved by (dx, dy): (3, 2 h, w)."""
    middle = IMAGE_SIZE // 2
    top = middle + dy - _HALF_HEIGHT
    left = middle + dx - math.ceil(CELL_WIDTH * _LENGTH / 2)
    padded = np.pad(ink, IMAGE_SIZE // 2)
    y, x = top + IMAGE_SIZE // 2, left + IMAGE_SIZE // 2
    width = round(CELL_WIDTH)
    band = padded[y : y + 2 * _HALF_HEIGHT, x : x + _LENGTH * width]
    cells: NDArray[np.float64] = band.reshape(2 * _HALF_HEIGHT, _LENGTH, width).swapaxes(0, 1)
    return cells


@lru_cache(maxsize=1)
def _templates() -> NDArray[np.float64]:
    """Each letter's cell at every part-of-a-pixel offset: (offsets, letters, 2 h, w)."""
    middle = IMAGE_SIZE / 2
    offsets = [(middle + x, middle + y) for y in _FINE for x in _FINE]
    return np.array([[_letter(c, place) for c in WORD_LETTERS] for place in offsets])


def _letter(character: str, place: tuple[float, float]) -> NDArray[np.float64]:
    word = Word(text=character * _LENGTH, color="black", center=place)
    cell: NDArray[np.float64] = _cells(_ink(render(Scene(word=word))), 0, 0)[1]
    return cell
