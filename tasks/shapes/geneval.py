"""`shapes-geneval`: GenEval's six skills over coloured shapes.

Prompts, records and rules are GenEval's (Ghosh et al. 2023; `tasks.scoring.geneval`); the detector
is classical and its colours stand in for CLIP's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from harness.records import (
    Capability,
    Identity,
    JsonValue,
    Modality,
    Outcome,
    Response,
    Sample,
    TaskMetadata,
    Verdict,
)
from tasks.drawing import DrawingTask
from tasks.geneval.metrics import skill_metrics
from tasks.shapes.dataset import CITATION, DATA_SEED, SPLIT, world_dataset

__all__ = ["ShapesGenEval"]


class ShapesGenEval(DrawingTask):
    """Draw what a prompt says; a detector checks objects, counts, colours and positions."""

    metadata = TaskMetadata(
        name="shapes-geneval",
        summary="GenEval's six skills over coloured shapes, judged by a classical detector.",
        version=1,
        requires=frozenset({Capability.GENERATE_IMAGE}),
        inputs=(Modality.TEXT,),
        outputs=(Modality.IMAGE,),
        dataset=world_dataset("generation"),
        metrics=skill_metrics("Unweighted mean of the six skills, as GenEval's overall score."),
        protocol_id="shapes-geneval/v1",
        citation=f"{CITATION} Rules: Ghosh et al., GenEval, NeurIPS 2023.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {"prompts": 40, "images": 4}

    def samples(self) -> Iterator[Sample]:
        """`prompts` prompts of each skill, skills taking turns, `images` images of each."""
        from tasks.shapes.world import SKILLS, generation_sample

        for index in range(self.whole("prompts", 1) * len(SKILLS)):
            drawn = generation_sample(DATA_SEED, SPLIT, index)
            for k in range(self.repeats()):
                yield Sample(
                    id=f"{index:05d}",
                    k=k,
                    category=drawn.metadata["tag"],
                    target=drawn.metadata,
                    data={"prompt": drawn.prompt},
                )

    def score(self, sample: Sample, response: Response) -> Outcome:
        """Detect shapes, then judge by GenEval's rules."""
        from tasks.scoring.geneval import parse_prompt
        from tasks.shapes.judge import judge_drawing
        from tasks.shapes.world import SHAPES

        spec = parse_prompt(_record(sample), where=sample.key, classes=SHAPES)
        judgement, seen = judge_drawing(response.image, spec)
        return Outcome(
            verdict=Verdict.OK if judgement.correct else Verdict.WRONG,
            reason=judgement.reason,
            scores={"correct": float(judgement.correct)},
            details={"detections": seen},
        )

    def scorer(self) -> Identity:
        """GenEval's rules at their default thresholds."""
        return Identity(
            id="geneval",
            version="djghosh13/geneval@af4902f",
            settings={"threshold": 0.3, "counting_threshold": 0.9, "position_threshold": 0.1},
        )

    def judge(self) -> Identity:
        """The classical detector."""
        from tasks.shapes.judge import detector_identity

        return detector_identity()


def _record(sample: Sample) -> dict[str, Any]:
    record: Any = sample.target
    return dict(record)
