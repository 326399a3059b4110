"""Scene to pixels: drawn at four times the size, then box-resampled (anti-aliased)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.shapes.world.palette import BACKGROUND, COLORS, IMAGE_SIZE
from tasks.shapes.world.scene import Box, Scene, ShapeObject, Word

__all__ = ["CELL_WIDTH", "CROSS_ARM", "render"]

_SCALE = 4
CROSS_ARM = 0.36
"""Width of a cross's arm as a fraction of its box."""
CELL_WIDTH = 17.0
"""Advance of one character of a word, in pixels."""
_FONT_PIXELS = 22


def render(scene: Scene) -> NDArray[np.uint8]:
    """Draw a scene.

    Returns:
        uint8 array of shape (64, 64, 3), RGB.

    Raises:
        ValueError: For a shape that the world does not know.

    Example:
        >>> render(Scene()).shape
        (64, 64, 3)
    """
    side = IMAGE_SIZE * _SCALE
    canvas = Image.new("RGB", (side, side), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for item in scene.objects:
        _draw_shape(draw, item)
    if scene.word is not None:
        _draw_word(canvas, scene.word)
    return np.asarray(canvas.reduce(_SCALE))


def _scaled(box: Box) -> Box:
    x0, y0, x1, y1 = (value * _SCALE for value in box)
    # PIL's far edges are inclusive.
    return x0, y0, x1 - 1, y1 - 1


def _draw_shape(draw: ImageDraw.ImageDraw, item: ShapeObject) -> None:
    box, fill = _scaled(item.box), COLORS[item.color]
    x0, y0, x1, y1 = box
    if item.shape == "circle":
        draw.ellipse(box, fill=fill)
    elif item.shape == "square":
        draw.rectangle(box, fill=fill)
    elif item.shape == "triangle":
        draw.polygon([(x0, y1), ((x0 + x1) / 2, y0), (x1, y1)], fill=fill)
    elif item.shape == "cross":
        inset_x, inset_y = (x1 - x0) * (1 - CROSS_ARM) / 2, (y1 - y0) * (1 - CROSS_ARM) / 2
        draw.rectangle((x0 + inset_x, y0, x1 - inset_x, y1), fill=fill)
        draw.rectangle((x0, y0 + inset_y, x1, y1 - inset_y), fill=fill)
    else:
        raise ValueError(f"unknown shape {item.shape!r}")


@lru_cache(maxsize=64)
def _glyph(character: str) -> Image.Image:
    """Coverage mask of one character, centred in its cell, at the drawing scale."""
    side = round(CELL_WIDTH * _SCALE), round(_FONT_PIXELS * 1.3 * _SCALE)
    mask = Image.new("L", side, 0)
    font = ImageFont.load_default(_FONT_PIXELS * _SCALE)
    ImageDraw.Draw(mask).text(
        (side[0] / 2, side[1] / 2), character, fill=255, font=font, anchor="mm", stroke_width=3
    )
    return mask


def _draw_word(canvas: Image.Image, word: Word) -> None:
    left = word.center[0] - CELL_WIDTH * len(word.text) / 2
    for number, character in enumerate(word.text):
        mask = _glyph(character)
        x = round((left + number * CELL_WIDTH) * _SCALE)
        y = round(word.center[1] * _SCALE - mask.height / 2)
        canvas.paste(COLORS[word.color], (x, y), mask)
