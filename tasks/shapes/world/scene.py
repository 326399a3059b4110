"""Records of what an image shows."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

__all__ = ["Box", "Scene", "ShapeObject", "Word"]

Box: TypeAlias = tuple[float, float, float, float]
"""`(x0, y0, x1, y1)` in pixels, y downwards, x1 and y1 exclusive edges."""


class ShapeObject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One coloured shape."""

    shape: str
    """Class name, one of `SHAPES`."""
    color: str
    """Colour name, a key of `COLORS`."""
    box: Box
    """Bounding box in pixels."""

    @property
    def center(self) -> tuple[float, float]:
        """Centre of the box, `(x, y)` in pixels."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rendered word."""

    text: str
    """The characters, from left to right."""
    color: str
    """Colour name, a key of `COLORS`."""
    center: tuple[float, float]
    """Centre of the word, `(x, y)` in pixels."""


class Scene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one image shows: shapes, or a word."""

    objects: tuple[ShapeObject, ...] = ()
    """The shapes, drawn in this order."""
    word: Word | None = None
    """The word, drawn last."""
