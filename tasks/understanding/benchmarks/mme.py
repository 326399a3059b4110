"""MME (Fu et al. 2023): two yes/no questions on each picture, in fourteen categories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from harness.records import Aggregation, MetricSpec, MetricValue, Protocol, ScoredSample, TaskResult
from tasks.understanding.benchmark import Benchmark, Style
from tasks.understanding.files import published
from tasks.understanding.table_task import brief
from tasks.understanding.yesno import YesNoTask

if TYPE_CHECKING:
    from harness.data import Row

__all__ = ["MME"]

_FULL = 200.0
"""Points of a category: 100 for right answers, 100 for pictures with both right."""


def _points(name: str, high: float, description: str) -> MetricSpec:
    return MetricSpec(name=name, score="points", high=high, unit="points", description=description)


class MME(YesNoTask):
    """A category has its accuracy in percent and that of whole pictures; the total sums them."""

    benchmark = Benchmark(
        name="mme",
        summary="MME: yes/no questions in fourteen categories, points of 2,800.",
        files=(published("MME", "test", "unknown"),),
        citation="Fu et al., MME: A Comprehensive Evaluation Benchmark for Multimodal Large "
        "Language Models, 2023 (arXiv 2306.13394).",
        styles={
            "cheers": Style("cheers/yes-no.v1"),
            "vlmevalkit": Style("vlmevalkit/question.v1", 128),
            "lmms-eval": Style("lmms-eval/yes-no.v1", 16),
        },
        levels=("category",),
        columns=("index", "question", "answer", "category"),
    )

    @classmethod
    def metrics(cls) -> tuple[MetricSpec, ...]:
        """The totals, in points; accuracies of questions and of pictures as fractions."""
        return (
            _points("total", 2800, "All fourteen categories."),
            _points("perception", 2000, "The ten perception categories."),
            _points("cognition", 800, "The four cognition categories."),
            MetricSpec(name="accuracy", score="correct", description="Right answers."),
            MetricSpec(
                name="accuracy_plus",
                score="correct",
                aggregation=Aggregation.ALL_IN_CLUSTER,
                description="Pictures with both answers right.",
            ),
        )

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """The accuracies as usual; the totals from pictures, each category weighing the same."""
        from tasks.scoring.mme import COGNITION, PERCEPTION

        result, pictures = super().aggregate(scored, protocol), _pictures(scored)
        named = {
            "total": PERCEPTION + COGNITION,
            "perception": PERCEPTION,
            "cognition": COGNITION,
        }
        metrics = tuple(
            _total(value.name, named[value.name], pictures) if value.name in named else value
            for value in result.metrics
        )
        present = sorted({picture.category for picture in pictures})
        points = {name: brief(_total(name, (name,), pictures)) for name in present}
        return msgspec.structs.replace(
            result,
            metrics=metrics,
            extra={"categories": {"category": points}},
            notes=(*result.notes, *_lacking_categories(named["total"], present)),
        )

    def _cluster(self, row: Row) -> str | None:
        return (
            f"{row['category']}/{row.get('image_path') or row.get('question_id') or row['index']}"
        )


def _lacking_categories(wanted: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
    lacking = [name for name in wanted if name not in present]
    if not lacking:
        return ()
    return (f"no total without {', '.join(lacking)}: points are summed over whole categories",)


class _Picture(NamedTuple):
    category: str
    points: float | None
    """Of 200; `None` if an answer isn't known."""


def _pictures(scored: Iterable[ScoredSample]) -> list[_Picture]:
    """Points of every picture; the sum over its answers is what its category averages."""
    answers: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for row in scored:
        key = (str(row.sample.category), row.sample.cluster_id)
        answers[key].append(row.outcome.scores.get("correct"))
    return [_Picture(category, _worth(values)) for (category, _), values in answers.items()]


def _worth(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return 100 * (sum(known) / len(known) + float(all(known)))


def _total(name: str, categories: Sequence[str], pictures: Sequence[_Picture]) -> MetricValue:
    """The sum of the categories' means over their pictures, with a 95% interval."""
    ours = [picture for picture in pictures if picture.category in categories]
    known = [picture for picture in ours if picture.points is not None]
    present = {picture.category for picture in known}
    if present != set(categories):
        return MetricValue(name=name, value=None, n=len(known))
    import numpy as np

    from harness.stats import estimate_mean, student_interval, wilson_interval

    full = _FULL * len(categories)
    values: Any = np.array([picture.points for picture in known]) / _FULL
    strata: Any = np.array([categories.index(picture.category) for picture in known])
    estimate = estimate_mean(values, np.arange(len(known)), strata)
    binary = bool(np.isin(values, (0.0, 1.0)).all())  # there may be no variance to go by
    interval = wilson_interval(estimate) if binary else student_interval(estimate)
    bounds = _bounds(categories, ours) if len(known) < len(ours) else (None, None)
    return MetricValue(
        name=name,
        value=full * estimate.value,
        low=full * max(0.0, interval.low) if interval else None,
        high=full * min(1.0, interval.high) if interval else None,
        n=len(known),
        clusters=len(known),
        method=interval.method if interval else "",
        bound_low=bounds[0],
        bound_high=bounds[1],
    )


def _bounds(categories: Sequence[str], pictures: Sequence[_Picture]) -> tuple[float, float]:
    """The total if every picture that isn't known had no points, and if it had all."""

    def total(unknown: float) -> float:
        means = [
            fmean(unknown if p.points is None else p.points for p in group)
            for name in categories
            if (group := [p for p in pictures if p.category == name])
        ]
        return sum(means)

    return total(0.0), total(_FULL)
