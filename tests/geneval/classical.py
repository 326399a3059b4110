"""The classical detector behind the interface of detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from harness.records import Identity
from tasks.judges import Instances
from tasks.shapes.judge import detector_identity, find_shapes
from tasks.shapes.world import SHAPES


class ClassicalDetector:
    classes = SHAPES

    def identity(self) -> Identity:
        return detector_identity()

    def detect(self, images: Sequence[Any]) -> list[Mapping[str, Instances]]:
        return [self._one(image) for image in images]

    def _one(self, image: Any) -> Mapping[str, Instances]:
        found = find_shapes(Image.fromarray(image))
        named = {name: found.of_class(name) for name in SHAPES}
        return {
            name: Instances(
                boxes=np.array([item.box for item in items], np.float32),
                scores=np.array([item.score for item in items], np.float32),
            )
            for name, items in named.items()
            if items
        }
