"""What tasks share whose pictures an OCR engine reads: the engine, its checks, its identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from harness.records import (
    Identity,
    JsonValue,
    Outcome,
    Protocol,
    Response,
    Sample,
    ScoredSample,
    TaskResult,
)
from harness.task import Task
from tasks.ocr.scores import CASES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from tasks.judges.ocr import EngineChoice, OCREngine, Reading

__all__ = ["ReadingTask"]


class ReadingTask(Task):
    """Has the options `engine`, `threads`, `world` and `case`."""

    worlds = ("text", "shapes")
    """`text` is real text; `shapes` the embedded world's words, for models of 64 x 64 pixels."""

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._engine: OCREngine | None = None

    def preflight(self) -> None:
        """Check that the engine is there, before the model is asked.

        Raises:
            BenchError: A package, program or file is missing; the remedy says which.
        """
        self._choice().check()

    def prepare(self) -> None:
        """Load the engine and show it its canary.

        Raises:
            BenchError: It can't be loaded, or reads its canary otherwise than recorded.
        """
        if self._engine is None:
            self._engine = self._choice().build()

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Read one picture."""
        return self.score_batch([(sample, response)])[0]

    def judge(self) -> Identity:
        """The engine with the hashes of its weights."""
        return self._choice().identity()

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The metrics, without those of categories that no sample has."""
        rows = list(scored)
        result = super().aggregate(rows, protocol)
        present = {None, *(row.sample.category for row in rows)}
        wanted = {spec.name for spec in self.metadata.metrics if spec.category in present}
        kept = tuple(metric for metric in result.metrics if metric.name in wanted)
        return msgspec.structs.replace(result, metrics=kept)

    def _read(self, pictures: Sequence[Image]) -> list[Reading]:
        """Read pictures of any mode; all together."""
        self.prepare()
        assert self._engine is not None  # noqa: S101 -- `prepare` made it
        return self._engine.read([_pixels(picture) for picture in pictures])

    def _choice(self) -> EngineChoice:
        from tasks.judges.ocr import EngineChoice

        return EngineChoice(str(self.options["engine"]), self.whole("threads", 0))

    def _case(self) -> str:
        return self.one_of("case", CASES)

    def _world(self) -> str:
        return self.one_of("world", self.worlds)


def _pixels(picture: Image) -> npt.NDArray[np.uint8]:
    """A picture as uint8 (height, width, 3); transparent parts show white paper."""
    import numpy as np
    from PIL import Image as PILImage

    if picture.has_transparency_data:
        paper = PILImage.new("RGBA", picture.size, "white")
        picture = PILImage.alpha_composite(paper, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"), dtype=np.uint8)
