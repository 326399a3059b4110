"""Object detectors by name."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import SpecError
from harness.names import suggest
from tasks.judges.interface import ObjectDetector

__all__ = ["DETECTOR_NAMES", "build_detector"]

DETECTOR_NAMES = ("transformers", "mmdet", "classical")
"""Names of the backends."""


def build_detector(name: str, weights: str | None, device: str = "cpu") -> ObjectDetector:
    """Build a detector.

    Args:
        name: `transformers` or `mmdet` for Mask2Former, `classical` for the embedded world.
        weights: Folder or file of weights; `random:SEED` for random ones, to test plumbing: the
            identity then says so. The classical detector has none.
        device: Where it runs.

    Raises:
        SpecError: The name is unknown, its package isn't installed, or weights are missing.
        CheckpointError: The weights can't be used.
    """
    if name not in DETECTOR_NAMES:
        hint = suggest(name, DETECTOR_NAMES) or "it is one of " + ", ".join(DETECTOR_NAMES)
        raise SpecError(f"unknown detector {name!r}", hint)
    if name == "classical":
        from tasks.judges.classical import ClassicalDetector

        return ClassicalDetector()
    if weights is None:
        raise SpecError(f"the detector {name!r} needs weights", "give a file, folder or hub id")
    return _BUILDERS[name](weights, device)


def _transformers(weights: str, device: str) -> ObjectDetector:
    from tasks.judges.mask2former.transformers_backend import TransformersMask2Former

    return TransformersMask2Former(weights, device=device)


def _mmdet(weights: str, device: str) -> ObjectDetector:
    from tasks.judges.mask2former.mmdet_backend import MMDetMask2Former

    return MMDetMask2Former(weights, device=device)


_BUILDERS: dict[str, Callable[[str, str], ObjectDetector]] = {
    "transformers": _transformers,
    "mmdet": _mmdet,
}
