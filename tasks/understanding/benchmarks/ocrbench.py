"""OCRBench (Liu et al. 2024): 1,000 questions on text in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.records import Aggregation, MetricSpec, Sample
from tasks.understanding.answer import AnswerScorer, AnswerTask
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.files import published

__all__ = ["OCRBench"]


def _contained(prediction: str, answers: Sequence[str], sample: Sample) -> float:
    from tasks.scoring.ocr import ocrbench_correct

    return float(ocrbench_correct(prediction, answers, str(sample.category)))


def _contained_lmms_eval(prediction: str, answers: Sequence[str], sample: Sample) -> float:
    from tasks.scoring.ocr import ocrbench_correct

    return float(ocrbench_correct(prediction, answers, str(sample.category), "lmms_eval"))


class OCRBench(AnswerTask):
    """The total of right answers, at most 1,000; right is what contains an accepted text."""

    benchmark = Benchmark(
        name="ocrbench",
        summary="OCRBench: 1,000 questions on text in pictures, total of right answers.",
        files=(published("OCRBench", "test", "MIT"),),
        citation="Liu et al., OCRBench: On the Hidden Mystery of OCR in Large Multimodal Models, "
        "2024 (arXiv 2305.07895).",
        styles={
            "cheers": Style("cheers/ocrbench.v1"),
            "vlmevalkit": Style("vlmevalkit/question.v1"),
            "lmms-eval": Style("lmms-eval/question.v1", 128),
        },
        levels=("category",),
        columns=("index", "question", "answer", "category"),
    )
    metric = MetricSpec(
        name="total",
        score="score",
        aggregation=Aggregation.SUM,
        high=1000.0,
        unit="points",
        description="Right answers, of 1,000.",
    )
    scorers: ClassVar[Mapping[str, AnswerScorer]] = {
        "vlmevalkit": AnswerScorer("ocrbench", "open-compass/VLMEvalKit@e8e78f0", _contained),
        "lmms-eval": AnswerScorer(
            "ocrbench", "EvolvingLMMs-Lab/lmms-eval@75571cf", _contained_lmms_eval
        ),
    }

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """The total, and the share that it is."""
        return (
            cls.metric,
            MetricSpec(name="accuracy", score="score", description="Share of right answers."),
        )
