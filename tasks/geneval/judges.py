"""Which detector and which colour classifier: known before either is loaded, then built once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.errors import DataError, SpecError
from harness.records import Identity, JsonValue

if TYPE_CHECKING:
    from tasks.judges import ColorJudge, ObjectDetector

__all__ = ["JudgeChoice", "Judges", "combined"]

_CLASSICAL = "classical"
_NONE = "none"


class Judges(NamedTuple):
    """Judges that are loaded and have passed their canaries."""

    detector: ObjectDetector
    """Finds objects."""

    classifier: ColorJudge | None
    """Names colours; `None` where the protocol has none."""

    def color(self) -> ColorJudge:
        """The colour classifier.

        Raises:
            SpecError: A prompt asks for a colour, but the protocol has no classifier.
        """
        if self.classifier is None:
            raise SpecError(
                "a prompt asks for a colour, but color_judge is 'none'", "name a color_judge"
            )
        return self.classifier


class JudgeChoice(NamedTuple):
    """The judges that a protocol names; nothing is loaded by looking at it."""

    detector: str
    """Name of the detector's backend."""

    detector_weights: str | None
    """Its weights; `None` is the backend's own."""

    color: str
    """Name of the colour classifier, or `none`."""

    color_weights: str | None
    """Its weights; `None` is the classifier's own."""

    device: str
    """Where they run."""

    def classes(self) -> tuple[str, ...]:
        """What the detector can name."""
        from tasks.judges.coco import GENEVAL_CLASSES
        from tasks.shapes.world.palette import SHAPES

        return SHAPES if self.detector == _CLASSICAL else GENEVAL_CLASSES

    def colors(self) -> tuple[str, ...]:
        """What the colour classifier can name."""
        from tasks.scoring.geneval.metadata import COLORS
        from tasks.shapes.world.palette import COLORS as PALETTE

        return tuple(PALETTE) if self.color == _CLASSICAL else COLORS

    def identity(self) -> Identity:
        """Detector and colour classifier as one identity; no network is loaded for it."""
        return combined(self._detector_identity(), self._color_identity())

    def check(self) -> None:
        """Check that weights and packages are there.

        Raises:
            BenchError: Something is missing; the remedy says where to get it.
        """
        self._require(self._detector_identity(), "detector", self.detector, self.detector_weights)
        self._require(self._color_identity(), "color", self.color, self.color_weights)

    def build(self) -> Judges:
        """Load both, check that they are what the protocol says, and run their canaries.

        Raises:
            BenchError: One can't be loaded, isn't what the protocol says, or sees its canaries
                otherwise than recorded.
        """
        from tasks.judges.detectors import build_detector

        detector = build_detector(self.detector, self.detector_weights, self.device)
        classifier = self._classifier()
        found = combined(detector.identity(), classifier.identity() if classifier else None)
        _check_same(found, self.identity())
        return Judges(detector, classifier)
