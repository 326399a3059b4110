"""The world as a dataset: its identity, and how tasks get at its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.records import DatasetInfo, digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from tasks.shapes.world import Scene

__all__ = ["CITATION", "DATA_SEED", "SPLIT", "compute_sha256", "picture", "pixels", "world_dataset"]

CITATION = "cheers-bench: a procedural world of coloured shapes and words."

DATA_SEED = 0
"""Seed of the samples that are scored. Training uses the other split, whose stream is disjoint."""

SPLIT = "test"
"""The split that is scored."""

_FIRST = 32
_REVISION = "1"
_SHA256 = {
    "generation": "99f8ea38165335c91c54faa9e481474158dc1439068533a4f5fc5f2aff71a5df",
    "mcq": "f9fa275b2d66831986b87b9e71c4cc92e93f69de625e914c4339d0bb83462eb1",
    "word": "dfbba0c7cca981f48e0a4194f422d888a2182c049dde61086eaa8f84367d119d",
    "edit": "a28c496103edd835b766f8afd7a4e84f3d1b44506a4560bf0e369cfa846e33f4",
}


def world_dataset(kind: str) -> DatasetInfo:
    """Identity of one stream of samples: `generation`, `mcq`, `word` or `edit`.

    The hash covers the first samples with their pictures; a test computes it anew.
    """
    return DatasetInfo(
        name=f"shapes-world/{kind}",
        revision=_REVISION,
        split=SPLIT,
        licence="Apache-2.0",
        sha256=_SHA256[kind],
        source="tasks/shapes/world",
    )


def compute_sha256(kind: str) -> str:
    """Hash of the first 32 samples of a stream and of their pictures."""
    import hashlib

    from tasks.shapes import world

    draw = getattr(world, f"{kind}_sample")
    parts = []
    for index in range(_FIRST):
        sample = draw(DATA_SEED, SPLIT, index)
        scenes = [value for value in sample if isinstance(value, world.Scene)]
        texts = [value for value in sample if not isinstance(value, world.Scene)]
        images = [hashlib.sha256(world.render(scene).tobytes()).hexdigest() for scene in scenes]
        parts.append([texts, images])
    return digest(parts, 64)


def picture(scene: Scene) -> Image:
    """A scene as an RGB picture of 64 x 64 pixels."""
    from PIL import Image as PILImage

    from tasks.shapes.world import render

    return PILImage.fromarray(render(scene))


def pixels(image: Any) -> NDArray[np.uint8]:
    """A picture as uint8 (height, width, 3)."""
    import numpy as np

    return np.asarray(image.convert("RGB"), dtype=np.uint8)
