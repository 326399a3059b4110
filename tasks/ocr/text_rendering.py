"""`text-rendering`: does a drawn picture say what the prompt asked for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.records import (
    Aggregation,
    Capability,
    DatasetInfo,
    Direction,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Protocol,
    Response,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    Verdict,
)
from tasks.drawing import DrawingTask, picture_of
from tasks.ocr.prompts import KINDS, DrawnTexts, FileTexts, WorldTexts
from tasks.ocr.reading import ReadingTask
from tasks.ocr.scores import text_scores

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.judges.ocr import Reading

__all__ = ["TextRendering"]

_EACH = 20
_WORLD_EACH = 60
_CEILING = "ceiling_"

_Render = tuple[str, int, int]
"""Text, width and height of a clean render."""


class TextRendering(ReadingTask, DrawingTask):
    """Draw a picture that shows a given text; an OCR engine reads it.

    A picture without readable text is `wrong`, not unknown: the engine did its work, and what was
    asked for isn't there. Only an engine that breaks leaves a picture unknown (`judge_failed`).
    """

    metadata = TaskMetadata(
        name="text-rendering",
        summary="Draw given words, digits and sentences; an OCR engine reads them.",
        version=1,
        requires=frozenset({Capability.GENERATE_IMAGE}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.IMAGE,),
        dataset=DatasetInfo(
            name="text-rendering",
            revision="1",
            split="test",
            licence="Apache-2.0",
            source="tasks/ocr/prompts.py",
        ),
        metrics=(
            MetricSpec(
                name="word_accuracy",
                score="word_accuracy",
                description="Share of the words asked for that are read, in any order.",
            ),
            MetricSpec(
                name="exact",
                score="exact",
                description="Pictures that say exactly the text, nothing before or after it.",
            ),
            MetricSpec(
                name="exact_cased",
                score="exact_cased",
                description="The same with capitals compared, whatever `case` says.",
            ),
            MetricSpec(
                name="contains",
                score="contains",
                description="Pictures that say the text, and more.",
            ),
            MetricSpec(
                name="prompt_exact",
                score="exact",
                aggregation=Aggregation.ANY_IN_CLUSTER,
                description="Prompts with at least one exact picture.",
            ),
            MetricSpec(
                name="cer",
                score="cer",
                direction=Direction.LOWER,
                high=None,
                description="Character edits per character asked for; above 1 if it babbles.",
            ),
            MetricSpec(
                name="ned",
                score="ned",
                direction=Direction.LOWER,
                description="Edit distance over the longer text; some papers give one minus it.",
            ),
            *(
                MetricSpec(name=f"word_accuracy_{kind}", score="word_accuracy", category=kind)
                for kind in KINDS
            ),
            MetricSpec(
                name="ceiling_word_accuracy",
                score="ceiling_word_accuracy",
                direction=Direction.NEITHER,
                description="What the engine reads off clean renders of the same texts and sizes.",
            ),
            MetricSpec(
                name="ceiling_cer",
                score="ceiling_cer",
                direction=Direction.NEITHER,
                high=None,
                description="The engine's own character error rate on those.",
            ),
        ),
        protocol_id="text-rendering/v1",
        citation="cheers-bench: text in generated pictures, read by an OCR engine; the measures "
        "are those of AnyText (Tuo et al., ICLR 2024, arXiv 2311.03054) and of OCR.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "prompts": None,
        "sha256": "",
        "prompt_seed": 0,
        "images": 4,
        "world": "text",
        "case": "ignore",
        "engine": "rapidocr",
        "threads": 0,
    }

    places = frozenset({"prompts", "sha256", "engine", "threads"})

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._ceilings: dict[_Render, dict[str, float]] = {}

    def samples(self) -> Iterator[Sample]:
        """`images` samples of each prompt; equal prompts are one cluster."""
        for index, one in enumerate(self._prompts().prompts()):
            for k in range(self.repeats()):
                yield Sample(
                    id=f"{index:05d}",
                    k=k,
                    cluster=one.prompt,
                    category=one.category,
                    target=one.text,
                    data={"prompt": one.prompt},
                )

    def preflight(self) -> None:
        """Check prompts and engine, before hours are spent on drawing.

        Raises:
            BenchError: Something is missing or malformed; the remedy says what.
        """
        for _ in self._prompts().prompts():
            pass
        super().preflight()

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Read all pictures, and clean renders of their texts that haven't been read yet."""
        pictures = [picture_of(response) for _, response in pairs]
        texts = [str(sample.target) for sample, _ in pairs]
        keys = [(text, *image.size) for text, image in zip(texts, pictures, strict=True)]
        new = [key for key in dict.fromkeys(keys) if key not in self._ceilings]
        shown = [key for key in new if self._can_render(key[0])]
        readings = self._read([*pictures, *(self._render(*key) for key in shown)])
        self._ceilings |= {key: {} for key in new}
        for (text, *size), reading in zip(shown, readings[len(pictures) :], strict=True):
            self._ceilings[text, size[0], size[1]] = self._scores(reading.text, text)
        rows = zip(texts, readings[: len(pictures)], keys, strict=True)
        return [self._outcome(text, reading, self._ceilings[key]) for text, reading, key in rows]

    def scorer(self) -> Identity:
        """Normalisation and measures."""
        from tasks.ocr.lettering import FONT_NAME

        return Identity(
            id="ocr-word-accuracy-cer-ned",
            version="1",
            settings={"unicode": "NFC", "case": self._case(), "ceiling_font": FONT_NAME},
        )

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, with the prompts' hash."""
        plain = super().protocol(seed, limit)
        return msgspec.structs.replace(plain, dataset=self._prompts().dataset())

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The metrics; every category's word accuracy in `extra`, the engine's ceiling noted."""
        rows = list(scored)
        result = super().aggregate(rows, protocol)
        values: dict[str, JsonValue] = {metric.name: metric.value for metric in result.metrics}
        ceiling = {name: value for name, value in values.items() if name.startswith(_CEILING)}
        notes = _ceiling_notes(values, self.judge().id, _without_ceiling(rows))
        return msgspec.structs.replace(
            result,
            notes=(*result.notes, *notes),
            extra={"word_accuracy_by_category": _by_category(rows), "engine_ceiling": ceiling},
        )

    def _prompts(self) -> DrawnTexts | WorldTexts | FileTexts:
        given, world = self.options["prompts"], self._world()
        if isinstance(given, str):
            return FileTexts(given, str(self.options["sha256"]))
        seed = self.whole("prompt_seed", 0)
        if world == "shapes":
            return WorldTexts(_WORLD_EACH if given is None else self.whole("prompts", 1), seed)
        return DrawnTexts(_EACH if given is None else self.whole("prompts", 1), seed)

    def _outcome(self, text: str, reading: Reading, ceiling: Mapping[str, float]) -> Outcome:
        scores = self._scores(reading.text, text)
        right = bool(scores["exact"])
        said = f"the engine read {reading.text!r}" if reading.lines else "the engine found no text"
        return Outcome(
            verdict=Verdict.OK if right else Verdict.WRONG,
            reason="" if right else f"asked for {text!r}; {said}",
            scores={
                **scores,
                **{_CEILING + name: ceiling[name] for name in ("word_accuracy", "cer") if ceiling},
            },
            details={"read": reading.text, "boxes": _described(reading)},
        )

    def _scores(self, read: str, wanted: str) -> dict[str, float]:
        cased = text_scores(read, wanted, "exact")["exact"]
        return {**text_scores(read, wanted, self._case()), "exact_cased": cased}

    def _can_render(self, text: str) -> bool:
        from tasks.ocr.lettering import drawable

        return self._world() == "shapes" or drawable(text)

    def _render(self, text: str, width: int, height: int) -> Image:
        if self._world() == "shapes":
            from tasks.ocr.world import world_word

            return world_word(text).resize((width, height))
        from tasks.ocr.lettering import clean_render

        return clean_render(text, width, height)


def _described(reading: Reading) -> list[JsonValue]:
    return [
        {"text": box.text, "confidence": box.confidence, "box": list(box.box)}
        for box in reading.boxes
    ]


def _without_ceiling(rows: Sequence[ScoredSample]) -> int:
    known = [row for row in rows if row.outcome.verdict.is_known]
    return sum(f"{_CEILING}cer" not in row.outcome.scores for row in known)


def _ceiling_notes(values: Mapping[str, JsonValue], engine: str, without: int) -> Iterator[str]:
    value = values["ceiling_word_accuracy"]
    if isinstance(value, float):
        yield (
            f"engine ceiling: {engine} reads {value:.1%} of the words on clean renders of the same "
            "texts at the pictures' sizes"
        )
    if without:
        yield f"the ceiling leaves out {without} pictures: its font lacks letters of their texts"


def _by_category(rows: Sequence[ScoredSample]) -> dict[str, JsonValue]:
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.outcome.verdict.is_known:
            group = values.setdefault(str(row.sample.category), [])
            group.append(row.outcome.scores["word_accuracy"])
    return {name: sum(group) / len(group) for name, group in sorted(values.items())}
