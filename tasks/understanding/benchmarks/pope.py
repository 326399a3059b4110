"""POPE (Li et al. 2023): is an object there? Three ways to choose objects that aren't."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from harness.records import Aggregation, Direction, MetricSpec, Sample
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.files import published
from tasks.understanding.yesno import YesNoTask

if TYPE_CHECKING:
    from harness.data import Row

__all__ = ["POPE"]

SUBSETS = ("random", "popular", "adversarial")


def _of_yes(
    name: str, aggregation: Aggregation, description: str, category: str | None = None
) -> MetricSpec:
    return MetricSpec(
        name=name,
        score="predicted",
        over="positive",
        aggregation=aggregation,
        category=category,
        description=description,
    )


class POPE(YesNoTask):
    """Questions of three subsets. One that is in several subsets is asked once for each.

    `f1` pools the subsets, as VLMEvalKit does; the subsets' own are beside it.
    """

    benchmark = Benchmark(
        name="pope",
        summary="POPE: is an object in the picture? F1 over three subsets, pooled.",
        files=(published("POPE", "test", "MIT"),),
        citation="Li et al., Evaluating Object Hallucination in Large Vision-Language Models, "
        "EMNLP 2023 (arXiv 2305.10355).",
        styles={
            "cheers": Style("cheers/yes-no.v1"),
            "vlmevalkit": Style("vlmevalkit/question.v1", 128),
            "lmms-eval": Style("lmms-eval/yes-no.v1", 128),
        },
        levels=("category",),
        columns=("index", "question", "answer", "category"),
    )

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """F1, and what POPE reports beside it; yes is the positive answer."""
        return (
            _of_yes("f1", Aggregation.F1, "F1, subsets pooled."),
            MetricSpec(name="accuracy", score="correct", description="Right answers."),
            _of_yes("precision", Aggregation.PRECISION, "Share of yes that is right."),
            _of_yes("recall", Aggregation.RECALL, "Share of objects there that are found."),
            MetricSpec(
                name="yes_ratio",
                score="predicted",
                direction=Direction.NEITHER,
                description="Share of answers that say yes.",
            ),
            *(
                _of_yes(f"f1_{name}", Aggregation.F1, f"F1 of the {name} subset.", name)
                for name in SUBSETS
            ),
        )

    def _repeats(self, row: Row) -> Iterator[Sample]:
        plain = self._sample(row)
        for k, name in enumerate(filter(None, map(str.strip, row["category"].split(",")))):
            data = {**plain.data, "levels": {"category": name}}
            yield msgspec.structs.replace(
                plain, k=k, category=name, cluster=plain.cluster_id, data=data
            )
