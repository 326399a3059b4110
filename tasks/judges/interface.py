"""What scorers ask of object detectors and colour classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from harness.records import Identity
from tasks.judges.rle import RLE

__all__ = ["ColorJudge", "Crop", "Instances", "ObjectDetector"]


class Instances(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a detector found of one class in one image, in the detector's own order."""

    boxes: npt.NDArray[np.float32]
    """(n, 4) rows of x0, y0, x1, y1 in pixels of the image as given."""
    scores: npt.NDArray[np.float32]
    """(n,) confidences in [0, 1]."""
    masks: tuple[RLE, ...] | None = None
    """One mask per row, of the image's size; None if the detector gives boxes alone."""

    def rows(self) -> npt.NDArray[np.float32]:
        """(n, 5) rows of x0, y0, x1, y1, score, as `tasks.scoring.geneval` takes them."""
        return np.concatenate([self.boxes, self.scores[:, None]], axis=1)


class ObjectDetector(Protocol):
    """Finds objects."""

    classes: Sequence[str]
    """Every class it can name, in the order of its outputs."""

    def identity(self) -> Identity:
        """What it is: backend, version, hash of weights, and the settings its output depends on."""
        ...

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Mapping[str, Instances]]:
        """Find objects in RGB images.

        Args:
            images: (H, W, 3) uint8 each; sizes may differ.

        Returns:
            For each image, class name to what was found; classes without any are left out. All
            confidences are reported: thresholds are the scorer's business.
        """
        ...


class Crop(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One detected object whose colour is asked for."""

    image: npt.NDArray[Any]
    """The whole image, (H, W, 3) uint8 RGB; shared, never copied."""
    label: str
    """The object's class, which is part of the classifier's prompts."""
    box: npt.NDArray[np.float32]
    """x0, y0, x1, y1 in pixels."""
    mask: RLE | None
    """The object's pixels; None crops the box alone."""


class ColorJudge(Protocol):
    """Names colours."""

    def identity(self) -> Identity:
        """What it is: network, activation, hash of weights, prompts, versions."""
        ...

    def classify(self, crops: Sequence[Crop]) -> list[str]:
        """The colour of each crop, one of GenEval's ten; crops of many images go together."""
        ...
