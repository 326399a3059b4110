"""What tasks ask of an OCR engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from harness.records import Identity

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["OCREngine", "Reading", "TextBox"]


class TextBox(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of text that an engine found: a word, or a run of words."""

    text: str
    """What it says."""
    confidence: float
    """How sure the engine is, in [0, 1]; engines' scales differ."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixels of the picture as given, upright, y downwards."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine read off one picture."""

    lines: tuple[tuple[TextBox, ...], ...] = ()
    """Lines from top to bottom, boxes of a line from left to right; see `reading_order`."""

    @property
    def text(self) -> str:
        r"""All text: a space between boxes, a newline between lines; empty if there is none.

        Example:
            >>> words = [TextBox(text=t, confidence=1, box=(0, 0, 9, 9)) for t in ("no", "way")]
            >>> Reading(lines=((words[0],), (words[1],))).text
            'no\nway'
        """
        return "\n".join(" ".join(box.text for box in line) for line in self.lines)

    @property
    def boxes(self) -> tuple[TextBox, ...]:
        """All boxes in reading order."""
        return tuple(box for line in self.lines for box in line)


class OCREngine(Protocol):
    """Reads text off pictures."""

    def identity(self) -> Identity:
        """What it is: engine, versions, hashes of weights, and settings its text depends on."""
        ...

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Reading]:
        """Read pictures; what is read off one never depends on the others.

        Args:
            images: (H, W, 3) uint8 RGB each, any sizes.

        Returns:
            A reading for each picture, in their order; one without lines where there is no text.

        Raises:
            Exception: The engine broke. That isn't the same as finding no text.
        """
        ...
