"""Names and values everything else agrees on: image size, shapes, colours, number words."""

from __future__ import annotations

__all__ = ["BACKGROUND", "COLORS", "IMAGE_SIZE", "NUMBER_WORDS", "SHAPES", "plural"]

IMAGE_SIZE = 64
"""Width and height of every image, in pixels."""

BACKGROUND: tuple[int, int, int] = (236, 236, 236)
"""Background colour of every scene, RGB in [0, 255]."""

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "cross")
"""Class names, in detector order."""

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 214),
    "yellow": (240, 205, 30),
    "purple": (150, 50, 180),
    "black": (24, 24, 24),
}
"""Colour names (a subset of GenEval's) and their RGB values in [0, 255]."""

NUMBER_WORDS: dict[int, str] = {1: "one", 2: "two", 3: "three", 4: "four"}
"""Counts that occur in the world, spelled as in prompts."""


def plural(shape: str) -> str:
    """Plural of a class name.

    Example:
        >>> plural("cross"), plural("circle")
        ('crosses', 'circles')
    """
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"
