"""A CLIP of a few thousand weights, and crops to classify."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.judges import Crop, encode_mask

TINY: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32,
        "layers": 2,
        "width": 32,
        "patch_size": 8,
        "head_width": 8,
    },
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 2,
    },
}


def crops(count: int, seed: int = 0) -> list[Crop]:
    """Random images with random boxes and masks; some boxes without a mask."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        height, width = rng.integers(40, 90, 2)
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        x0, y0 = rng.uniform(0, 15, 2)
        box = np.array([x0, y0, x0 + rng.uniform(8, 24), y0 + rng.uniform(8, 24)], np.float32)
        mask = encode_mask(rng.random((height, width)) < 0.7) if number % 4 else None
        label = ("cow", "tv remote", "dog")[number % 3]
        found.append(Crop(image=image, label=label, box=box, mask=mask))
    return found
