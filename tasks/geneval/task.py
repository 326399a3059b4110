"""The tasks `geneval` and `geneval-long` (Ghosh et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.records import (
    Capability,
    DatasetInfo,
    Identity,
    JsonValue,
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
from tasks.geneval.metrics import SKILLS, skill_metrics
from tasks.geneval.presets import preset_decoding

if TYPE_CHECKING:
    from tasks.geneval.judges import JudgeChoice, Judges
    from tasks.geneval.judging import Seen
    from tasks.geneval.prompt_sets import DrawnPrompts, FilePrompts, LongPrompts
    from tasks.scoring.geneval import PromptSpec

__all__ = ["GenEval", "GenEvalLong"]

_OFFICIAL = "official"
_CITATION = "Ghosh et al., GenEval, NeurIPS 2023 (arXiv 2310.11513)."


def _metadata(name: str, summary: str, dataset: DatasetInfo) -> TaskMetadata:
    return TaskMetadata(
        name=name,
        summary=summary,
        version=1,
        requires=frozenset({Capability.GENERATE_IMAGE}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.IMAGE,),
        dataset=dataset,
        metrics=skill_metrics("Unweighted mean of the six skills."),
        protocol_id=name,
        citation=_CITATION,
    )


class GenEval(DrawingTask):
    """Draw what a prompt says; a detector checks objects, counts, colours and positions.

    Rules, thresholds and prompts are those of djghosh13/geneval at commit af4902f; see
    `tasks.scoring.geneval`. Judges are loaded when scoring starts, and once.
    """

    metadata = _metadata(
        "geneval",
        "GenEval's 553 prompts, judged by an object detector and CLIP's colours.",
        DatasetInfo(
            name="geneval", revision="djghosh13/geneval@af4902f", split="test", licence="MIT"
        ),
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "prompts": _OFFICIAL,
        "prompts_per_skill": 100,
        "prompt_seed": 43,
        "images": 4,
        "preset": "none",
        "detector": "transformers",
        "detector_weights": None,
        "color_judge": "clip",
        "color_weights": None,
        "device": "auto",
        "judge_batch": 8,
    }

    places = frozenset(
        {"detector_weights", "color_weights", "device", "judge_batch", "prompts", "preset"}
    )

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._decoding = preset_decoding(str(self.options["preset"]))
        self._judges: Judges | None = None

    def samples(self) -> Iterator[Sample]:
        """`images` samples of each prompt; ids are the numbers of the official folders."""
        choice = self._choice()
        for index, spec in enumerate(self._prompts().specs(choice.classes(), choice.colors())):
            record = msgspec.json.decode(msgspec.json.encode(spec))
            for k in range(self.repeats()):
                yield Sample(
                    id=f"{index:05d}",
                    k=k,
                    category=spec.tag,
                    target=record,
                    data={"prompt": spec.prompt},
                )

    def preflight(self) -> None:
        """Check that prompts and judges are there, before hours are spent on drawing.

        Raises:
            BenchError: A file or package is missing; the remedy says which.
        """
        self._prompts().dataset()
        self._choice().check()

    def prepare(self) -> None:
        """Load detector and colour classifier, and run their canaries.

        Raises:
            BenchError: One can't be loaded, or isn't what the protocol says.
        """
        if self._judges is None:
            self._judges = self._choice().build()

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Judge one image."""
        return self.score_batch([(sample, response)])[0]

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        """Detect objects in all images, name all their colours in one call, apply the rules."""
        from tasks.geneval.judging import judge_images

        self.prepare()
        judges, choice = self._judges, self._choice()
        assert judges is not None  # noqa: S101 -- `prepare` made them
        seen = judge_images(
            [_spec(sample) for sample, _ in pairs],
            [_pixels(response) for _, response in pairs],
            judges.detector,
            judges.color,
            colors=choice.colors(),
            batch=self.whole("judge_batch", 1),
        )
        return [_outcome(one) for one in seen]

    def scorer(self) -> Identity:
        """GenEval's rules at the official thresholds."""
        return Identity(
            id="geneval",
            version="djghosh13/geneval@af4902f",
            settings={
                "threshold": 0.3,
                "counting_threshold": 0.9,
                "max_objects": 16,
                "max_overlap": 1.0,
                "position_threshold": 0.1,
            },
        )

    def judge(self) -> Identity:
        """Detector and colour classifier with the hashes of their weights."""
        return self._choice().identity()

    def protocol(self, seed: int, limit: int | None = None) -> Protocol:
        """The protocol, with the prompts' hash."""
        plain = super().protocol(seed, limit)
        dataset = self._prompts().dataset()
        return msgspec.structs.replace(plain, id=self._protocol_id(), dataset=dataset)

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The metrics, with a note if `overall` isn't the mean of all six skills."""
        result = super().aggregate(scored, protocol)
        values = {metric.name: metric.value for metric in result.metrics}
        absent = [skill for skill in SKILLS if values[skill] is None]
        if not absent:
            return result
        note = f"overall leaves out {', '.join(absent)}: no image of them was judged"
        return msgspec.structs.replace(result, notes=(*result.notes, note))

    def _protocol_id(self) -> str:
        preset = str(self.options["preset"])
        return f"{self._prompts().dataset().name}/{'v1' if preset == 'none' else preset}"

    def _prompts(self) -> DrawnPrompts | FilePrompts:
        from tasks.geneval.prompt_sets import DrawnPrompts, FilePrompts

        location = str(self.options["prompts"])
        if location != _OFFICIAL:
            return FilePrompts(location)
        return DrawnPrompts(self.whole("prompt_seed", 0), self.whole("prompts_per_skill", 1))

    def _choice(self) -> JudgeChoice:
        from tasks.geneval.judges import JudgeChoice

        return JudgeChoice(
            detector=str(self.options["detector"]),
            detector_weights=_text(self.options["detector_weights"]),
            color=str(self.options["color_judge"]),
            color_weights=_text(self.options["color_weights"]),
            device=str(self.options["device"]),
        )


class GenEvalLong(GenEval):
    """The same with the 553 rewritten prompts, which are another protocol."""

    metadata = _metadata(
        "geneval-long",
        "GenEval's 553 prompts rewritten at length, judged as the short ones.",
        DatasetInfo(name="geneval-long", revision="09472cc9c24e", split="test", licence="unknown"),
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        name: value
        for name, value in {**GenEval.defaults, "prompts": ""}.items()
        if name not in ("prompts_per_skill", "prompt_seed")
    }

    def preflight(self) -> None:
        """As `GenEval.preflight`, and the prompt file must be the original one."""
        self._prompts().check()
        super().preflight()

    def _prompts(self) -> LongPrompts:
        from tasks.geneval.prompt_sets import LongPrompts

        return LongPrompts(str(self.options["prompts"]))


def _spec(sample: Sample) -> PromptSpec:
    from tasks.scoring.geneval import parse_prompt

    record: Any = sample.target
    return parse_prompt(record, where=sample.key)


def _pixels(response: Response) -> Any:
    import numpy as np

    return np.asarray(picture_of(response).convert("RGB"), dtype=np.uint8)


def _outcome(seen: Seen) -> Outcome:
    judgement = seen.judgement
    found: list[JsonValue] = [
        {
            "class": name,
            "box": [float(side) for side in item.box],
            "score": item.score,
            **({"color": seen.colors[name, item.row]} if (name, item.row) in seen.colors else {}),
        }
        for name, items in seen.objects.items()
        for item in items
    ]
    return Outcome(
        verdict=Verdict.OK if judgement.correct else Verdict.WRONG,
        reason=judgement.reason,
        scores={"correct": float(judgement.correct)},
        details={"detections": found},
    )


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)
