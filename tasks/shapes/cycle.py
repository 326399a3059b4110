"""`shapes-cycle`: draw shapes, then answer questions about them; a detector looks as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.records import (
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
)
from tasks.cycle.questions import Question, Vocabulary
from tasks.cycle.task import NEEDS, CycleTask, cycle_metrics
from tasks.drawing import picture_of
from tasks.shapes.dataset import CITATION, DATA_SEED, SPLIT, world_dataset

if TYPE_CHECKING:
    from PIL.Image import Image

    from tasks.scoring.geneval.metadata import PromptSpec

__all__ = ["ShapesCycle"]


class ShapesCycle(CycleTask):
    """The world's prompts; the classical detector tells a bad drawing from a bad reading."""

    metadata = TaskMetadata(
        name="shapes-cycle",
        summary="Draw coloured shapes, then answer questions about one's own pictures.",
        version=1,
        requires=NEEDS,
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.IMAGE, Modality.TEXT),
        dataset=world_dataset("generation"),
        metrics=(
            *cycle_metrics(),
            MetricSpec(
                name="reading",
                score="reading",
                description="Questions answered as the detector sees it, where it's clear.",
            ),
            MetricSpec(
                name="shown",
                score="shown",
                description="Questions whose picture shows what the prompt says, where it's clear.",
            ),
            MetricSpec(
                name="drawn",
                score="drawn",
                category="drawing",
                description="Pictures with everything that the prompt says, by GenEval's rules.",
            ),
        ),
        protocol_id="shapes-cycle/v1",
        citation=f"{CITATION} Rules of drawings: Ghosh et al., GenEval, NeurIPS 2023.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"prompts": 40, "images": 1}

    def vocabulary(self) -> Vocabulary:
        """The world's names."""
        from tasks.shapes.world.palette import COLORS, NUMBER_WORDS, SHAPES

        return Vocabulary(SHAPES, tuple(COLORS), NUMBER_WORDS)

    def specs(self) -> Iterator[PromptSpec]:
        """`prompts` prompts of each skill, skills taking turns; those of `shapes-geneval`."""
        from tasks.scoring.geneval import parse_prompt
        from tasks.shapes.world import SHAPES, SKILLS, generation_sample

        for index in range(self.whole("prompts", 1) * len(SKILLS)):
            record = generation_sample(DATA_SEED, SPLIT, index).metadata
            yield parse_prompt(record, where=f"prompt {index}", classes=SHAPES)

    def seen(self, image: Image, question: Question) -> str | None:
        """What the detector reads off the picture."""
        from tasks.shapes.judge import find_shapes
        from tasks.shapes.seeing import read

        return read(find_shapes(image), question)

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Judge a drawing by GenEval's rules."""
        from tasks.scoring.geneval import parse_prompt
        from tasks.shapes.judge import judge_drawing
        from tasks.shapes.world import SHAPES

        record: Any = sample.target
        spec = parse_prompt(record, where=sample.key, classes=SHAPES)
        judged = judge_drawing(picture_of(response), spec)
        return Outcome(
            verdict=Verdict.OK if judged.judgement.correct else Verdict.WRONG,
            reason=judged.judgement.reason,
            scores={"drawn": float(judged.judgement.correct)},
            details={"detections": judged.seen},
        )

    def judge(self) -> Identity:
        """The classical detector."""
        from tasks.shapes.judge import detector_identity

        return detector_identity()
