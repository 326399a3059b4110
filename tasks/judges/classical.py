"""The embedded world's classical detector as an `ObjectDetector`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.records import Identity
from tasks.judges.interface import Instances
from tasks.shapes.world.palette import SHAPES

__all__ = ["ClassicalDetector"]


class ClassicalDetector:
    """Finds flat shapes on a plain background; it gives boxes and no masks."""

    classes: Sequence[str] = SHAPES

    def identity(self) -> Identity:
        """The detector of `tasks.shapes`."""
        from tasks.shapes.judge import detector_identity

        return detector_identity()

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Mapping[str, Instances]]:
        """Find shapes, image by image."""
        return [self._one(image) for image in images]

    def _one(self, image: npt.NDArray[np.uint8]) -> dict[str, Instances]:
        from PIL import Image

        from tasks.shapes.judge import find_shapes

        found = find_shapes(Image.fromarray(image))
        by_class = {name: found.of_class(name) for name in self.classes}
        return {
            name: Instances(
                boxes=np.array([item.box for item in items], np.float32),
                scores=np.array([item.score for item in items], np.float32),
            )
            for name, items in by_class.items()
            if items
        }
