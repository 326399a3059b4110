"""MMStar (Chen et al. 2024): questions that can't be answered without their picture."""

from __future__ import annotations

from harness.records import Aggregation, MetricSpec
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.choice import ChoiceTask
from tasks.understanding.files import published

__all__ = ["MMStar"]


class MMStar(ChoiceTask):
    """1,500 questions on six core capabilities."""

    benchmark = Benchmark(
        name="mmstar",
        summary="MMStar: 1,500 questions that need their picture.",
        files=(published("MMStar", "val", "unknown"),),
        citation="Chen et al., Are We on the Right Way for Evaluating Large Vision-Language "
        "Models?, NeurIPS 2024 (arXiv 2403.20330).",
        styles={
            "cheers": Style("cheers/mmstar.v1"),
            "vlmevalkit": Style("vlmevalkit/choice.v1"),
            "lmms-eval": Style("lmms-eval/mmstar.v1"),
        },
        levels=("category", "l2_category"),
    )

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """Accuracy, and the mean of the six capabilities' accuracies."""
        return (
            *super().metrics(),
            MetricSpec(
                name="mean_of_categories",
                score="correct",
                aggregation=Aggregation.MEAN_OF_CATEGORIES,
                description="Unweighted mean of the six capabilities.",
            ),
        )
