"""`ocr-roundtrip`: how small may text be and still survive the model's own vision tokenizer?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.errors import SpecError
from harness.records import (
    Capability,
    DatasetInfo,
    Direction,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Protocol,
    ReconstructRequest,
    Response,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    Verdict,
)
from tasks.drawing import picture_of
from tasks.ocr.pages import MIN_SIDE, SIZES
from tasks.ocr.reading import ReadingTask
from tasks.ocr.scores import normalise, text_scores

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.judges.ocr import Reading
    from tasks.ocr.sources import Pictures

__all__ = ["OCRRoundtrip"]

_EACH = 10
_WORLD = 60


def _errors(name: str, score: str, description: str, category: str | None = None) -> MetricSpec:
    return MetricSpec(
        name=name,
        score=score,
        category=category,
        direction=Direction.LOWER,
        low=None if score == "cer_added" else 0.0,
        high=None,
        description=description,
    )


class OCRRoundtrip(ReadingTask):
    """Encode and decode pictures of text; an engine reads them before and after.

    `cer_added` is the difference picture by picture, so the engine's own errors cancel and the
    interval is a paired one. A picture is `ok` if it reads as well afterwards as before.
    """

    metadata = TaskMetadata(
        name="ocr-roundtrip",
        summary="Text read before and after the vision tokenizer, by font size.",
        version=1,
        requires=frozenset({Capability.RECONSTRUCT}),
        inputs=(Modality.IMAGE,),
        outputs=(Modality.IMAGE,),
        dataset=DatasetInfo(
            name="ocr-pages",
            revision="1",
            split="test",
            licence="Apache-2.0",
            source="tasks/ocr/pages.py",
        ),
        metrics=(
            _errors("cer_added", "cer_added", "Character error rate after, less that before."),
            _errors("cer_after", "cer_after", "Character error rate after the round trip."),
            _errors("cer_before", "cer_before", "The engine's own, on the untouched pictures."),
            MetricSpec(
                name="word_accuracy_after",
                score="word_accuracy_after",
                description="Share of the words that are read after the round trip.",
            ),
            MetricSpec(
                name="word_accuracy_before",
                score="word_accuracy_before",
                description="Share of the words that the engine reads on the untouched pictures.",
            ),
            *(
                _errors(
                    f"{score}_{size}px", score, f"At a font size of {size} pixels.", f"{size}px"
                )
                for size in SIZES
                for score in ("cer_added", "cer_after", "cer_before")
            ),
        ),
        protocol_id="ocr-roundtrip/v1",
        citation="cheers-bench: text before and after a vision tokenizer, read by an OCR engine.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "images": None,
        "side": 512,
        "world": "text",
        "case": "ignore",
        "engine": "rapidocr",
        "threads": 0,
    }

    places = frozenset({"images", "engine", "threads"})

    def samples(self) -> Iterator[Sample]:
        """The pictures, with what they say; `None` where nobody knows it.

        Raises:
            BenchError: An option is out of range, or there is no such folder.
        """
        return self._pictures().samples()

    def request(self, sample: Sample, seed: int) -> ReconstructRequest:
        """The picture."""
        return ReconstructRequest(image=self._pictures().picture(sample), seed=seed)

    def preflight(self) -> None:
        """Check pictures and engine.

        Raises:
            BenchError: Something is missing; the remedy says what.
        """
        self._pictures().check()
        super().preflight()

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Read all pictures before and after, at the size they had before."""
        source = self._pictures()
        before = [source.picture(sample) for sample, _ in pairs]
        after = [
            _at_size_of(original, picture_of(response))
            for original, (_, response) in zip(before, pairs, strict=True)
        ]
        readings = self._read([*before, *after])
        rows = zip(pairs, readings[: len(pairs)], readings[len(pairs) :], strict=True)
        return [self._outcome(sample, first, second) for (sample, _), first, second in rows]

    def scorer(self) -> Identity:
        """Normalisation and measures."""
        return Identity(
            id="ocr-roundtrip-cer",
            version="1",
            settings={"unicode": "NFC", "case": self._case(), "resize": "lanczos"},
        )

    def prompt_template(self) -> str:
        """There is no prompt."""
        return ""

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, with the pictures' hash."""
        plain = super().protocol(seed, limit)
        return msgspec.structs.replace(plain, dataset=self._pictures().dataset())

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The metrics, with a note on pictures that had no text to lose."""
        rows = list(scored)
        result = super().aggregate(rows, protocol)
        blank = sum(r.outcome.verdict.is_known and not r.outcome.scores for r in rows)
        if not blank:
            return result
        note = f"{blank} pictures have no known text and none was read on them: they aren't scored"
        return msgspec.structs.replace(result, notes=(*result.notes, note))

    def _pictures(self) -> Pictures:
        from tasks.ocr.sources import DrawnPages, PictureFolder, WorldWords

        given, world = self.options["images"], self._world()
        if isinstance(given, str):
            return PictureFolder(given)
        if world == "shapes":
            return WorldWords(_WORLD if given is None else self.whole("images", 1))
        side = self.whole("side", MIN_SIDE)
        if side > 4096:
            raise SpecError(f"ocr-roundtrip: option 'side' is {side}", "give at most 4096")
        return DrawnPages(_EACH if given is None else self.whole("images", 1), side)

    def _outcome(self, sample: Sample, before: Reading, after: Reading) -> Outcome:
        details: dict[str, JsonValue] = {"before": before.text, "after": after.text}
        known = sample.target is not None
        wanted = str(sample.target) if known else before.text
        if not normalise(wanted, self._case()):
            return Outcome(verdict=Verdict.OK, reason="there is no text to lose", details=details)
        first, second = (text_scores(one.text, wanted, self._case()) for one in (before, after))
        scores = {
            "cer_after": second["cer"],
            "cer_added": second["cer"] - first["cer"],
            "word_accuracy_after": second["word_accuracy"],
        }
        if known:  # else the reading before is the reference, and right by definition
            scores |= {"cer_before": first["cer"], "word_accuracy_before": first["word_accuracy"]}
        lost = scores["cer_added"] > 0
        return Outcome(
            verdict=Verdict.WRONG if lost else Verdict.OK,
            reason=f"{before.text!r} before, {after.text!r} after" if lost else "",
            scores=scores,
            details=details,
        )


def _at_size_of(original: Image, image: Image) -> Image:
    from PIL import Image as PILImage

    if image.size == original.size:
        return image
    return image.resize(original.size, PILImage.Resampling.LANCZOS)
