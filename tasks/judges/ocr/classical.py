"""The embedded world's template reader as an OCR engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.records import Identity
from tasks.judges.ocr.interface import Reading, TextBox

__all__ = ["ClassicalReader", "classical_identity"]

_MIN_FIT = 0.5


class ClassicalReader:
    """Reads one word of three letters of the world's alphabet off a square picture.

    It knows the font, the alphabet and the length, so it can't read anything else. Square pictures
    of another size are brought to the world's first; where less than half of the ink is explained
    by the best letters, there is no text.
    """

    def identity(self) -> Identity:
        """The reader of `tasks.shapes`."""
        return classical_identity()

    def read(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Reading]:
        """Read pictures one after the other; see `OCREngine.read`."""
        return [_read(image) for image in images]


def classical_identity() -> Identity:
    """Identity of the reader."""
    return Identity(id="classical-reader", version="1", settings={"min_fit": _MIN_FIT})


def _read(image: npt.NDArray[np.uint8]) -> Reading:
    from tasks.shapes.reader import fit_word

    height, width = image.shape[:2]
    if height != width:
        return Reading()
    found = fit_word(_at_world_size(image))
    if found.fit < _MIN_FIT:
        return Reading()
    box = TextBox(text=found.text, confidence=found.fit, box=(0.0, 0.0, float(width), float(width)))
    return Reading(lines=((box,),))


def _at_world_size(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    from PIL import Image

    from tasks.shapes.world.palette import IMAGE_SIZE

    if image.shape[0] == IMAGE_SIZE:
        return image
    size = (IMAGE_SIZE, IMAGE_SIZE)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
