"""ChartQA (Masry et al. 2022): questions on charts, by humans and by a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.records import MetricSpec, Sample
from tasks.understanding.answer import AnswerScorer, AnswerTask
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.files import published

__all__ = ["ChartQA"]


def _relaxed(prediction: str, answers: Sequence[str], _: Sample) -> float:
    from tasks.scoring.vqa import relaxed_accuracy

    return relaxed_accuracy(prediction, answers)


def _relaxed_legacy(prediction: str, answers: Sequence[str], _: Sample) -> float:
    from tasks.scoring.vqa import relaxed_accuracy

    return relaxed_accuracy(prediction, answers, "legacy")


class ChartQA(AnswerTask):
    """2,500 questions; numbers may be 5% off.

    `scorer=legacy` takes the 5% of the answer, as the evaluation that CHEERS bundles does.
    """

    benchmark = Benchmark(
        name="chartqa",
        summary="ChartQA test: 2,500 questions on charts, relaxed accuracy.",
        files=(published("ChartQA_TEST", "test", "GPL-3.0"),),
        citation="Masry et al., ChartQA, Findings of ACL 2022 (arXiv 2203.10244).",
        styles={
            "cheers": Style("cheers/short-answer.v1"),
            "vlmevalkit": Style("vlmevalkit/short-answer.v1"),
            "lmms-eval": Style("lmms-eval/chartqa.v1", 16),
        },
        levels=("split",),
    )
    metric = MetricSpec(
        name="relaxed_accuracy", score="score", description="Right, or a number within 5%."
    )
    scorers: ClassVar[Mapping[str, AnswerScorer]] = {
        "corrected": AnswerScorer("relaxed-accuracy", "open-compass/VLMEvalKit@e8e78f0", _relaxed),
        "legacy": AnswerScorer(
            "relaxed-accuracy/legacy", "open-compass/VLMEvalKit before #1204", _relaxed_legacy
        ),
    }

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """All questions, and those by humans and by a program."""
        return (
            cls.metric,
            *(
                MetricSpec(
                    name=name,
                    score="score",
                    category=f"test_{name}",
                    description=f"The same on the {name} half.",
                )
                for name in ("human", "augmented")
            ),
        )
