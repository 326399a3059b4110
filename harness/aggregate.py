"""From verdicts to metrics: point estimate, interval, bounds for what isn't known.

Samples whose verdict is unknown (errored, judge-failed, missing) are left out of the point
estimate; the bounds say where it would be if they had all scored worst or best. Aggregations over
clusters leave out every cluster with an unknown sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from harness.columns import ColumnBuilder, ScoreColumn, by_cluster
from harness.ratios import RATIOS
from harness.records import (
    Aggregation,
    MetricSpec,
    MetricValue,
    Protocol,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    TaskStatus,
    Verdict,
)
from harness.stats import (
    Interval,
    clip,
    estimate_mean,
    f1_interval,
    quantile,
    quantile_interval,
    ratio,
    ratio_interval,
    student_interval,
    wilson_interval,
)
from harness.stats.clustered import Floats, Ints

__all__ = [
    "QUANTILES",
    "aggregate",
    "compute_metric",
    "extreme_estimate",
    "metrics_by_group",
    "point_estimate",
    "sample_weights",
    "strata_of",
    "value_of",
]

QUANTILES = {
    Aggregation.MEDIAN: 0.5,
    Aggregation.P90: 0.9,
    Aggregation.P95: 0.95,
    Aggregation.P99: 0.99,
}
"""Which quantile an aggregation is; those absent aren't quantiles."""


def aggregate(
    metadata: TaskMetadata, scored: Iterable[ScoredSample], protocol: Protocol
) -> TaskResult:
    """Compute every declared metric of a task.

    Args:
        metadata: The task's metadata, with its metric definitions.
        scored: Every sample that the protocol asks for, with its outcome.
        protocol: The protocol that the numbers carry.

    Returns:
        The result; its status is incomplete if any verdict is unknown.
    """
    verdicts: Counter[Verdict] = Counter()
    builders = [ColumnBuilder(spec) for spec in metadata.metrics]
    for row in scored:  # once, and nothing but numbers is kept: there may be a million
        verdicts[row.outcome.verdict] += 1
        for builder in builders:
            builder.add(row)
    unknown = sum(count for verdict, count in verdicts.items() if not verdict.is_known)
    complete = bool(verdicts) and not unknown
    return TaskResult(
        task=metadata.name,
        status=TaskStatus.COMPLETE if complete else TaskStatus.INCOMPLETE,
        metrics=tuple(value_of(builder.spec, builder.column()) for builder in builders),
        verdicts={verdict.value: verdicts[verdict] for verdict in Verdict if verdicts[verdict]},
        protocol_hash=protocol.hash,
        total=verdicts.total(),
    )


def compute_metric(spec: MetricSpec, rows: Sequence[ScoredSample]) -> MetricValue:
    """Compute one metric with its interval and bounds.

    Args:
        spec: Definition of the metric.
        rows: Samples with outcomes; those of other categories, and scored ones without this
            score, are left out.
    """
    builder = ColumnBuilder(spec)
    for row in rows:
        builder.add(row)
    return value_of(spec, builder.column())


def metrics_by_group(
    spec: MetricSpec, rows: Iterable[ScoredSample], group: Callable[[ScoredSample], str]
) -> dict[str, MetricValue]:
    """One metric for each group of samples, in one pass.

    Args:
        spec: Definition of the metric.
        rows: Samples with outcomes, streamed.
        group: Name of a sample's group; those of the empty name belong to none.

    Returns:
        Groups by name, sorted, with their values.
    """
    builders: dict[str, ColumnBuilder] = {}
    for row in rows:
        name = group(row)
        if name:
            builders.setdefault(name, ColumnBuilder(spec)).add(row)
    return {name: value_of(spec, builders[name].column()) for name in sorted(builders)}


def value_of(spec: MetricSpec, column: ScoreColumn) -> MetricValue:
    """One metric with its interval and bounds, from its gathered scores."""
    whole = by_cluster(column, spec.aggregation)
    known = whole.known()
    if not len(known.values):
        return MetricValue(name=spec.name, value=None)
    interval = _interval(spec, known)
    unknown = bool(np.isnan(column.values).any())
    return MetricValue(
        name=spec.name,
        value=point_estimate(spec, known),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(known.values),
        clusters=len(np.unique(known.clusters)),
        method=interval.method if interval else "",
        bound_low=extreme_estimate(spec, column, best=False) if unknown else None,
        bound_high=extreme_estimate(spec, column, best=True) if unknown else None,
    )


def point_estimate(spec: MetricSpec, column: ScoreColumn) -> float | None:
    """The metric's value over known samples; of a metric over clusters, one row per cluster.

    Returns:
        The value; `None` for a ratio whose denominator is 0.
    """
    if spec.aggregation in RATIOS:
        return ratio(column.parts(spec))
    if spec.aggregation in QUANTILES:
        return quantile(column.values, QUANTILES[spec.aggregation])
    if spec.aggregation is Aggregation.SUM:
        return float(np.sum(column.values))
    return estimate_mean(column.values, column.clusters, strata_of(spec, column)).value


def extreme_estimate(spec: MetricSpec, column: ScoreColumn, *, best: bool) -> float | None:
    """The metric if every unknown sample had scored lowest, or highest.

    Args:
        spec: Definition of the metric.
        column: Scores of all samples; unknown ones are NaN.
        best: Highest instead of lowest.

    Returns:
        The value; `None` where nothing limits what an unknown sample could add.
    """
    filled = column
    if np.isnan(column.values).any():
        fill = _extreme(spec, column, best=best)
        if fill is None:
            return None
        filled = column.filled(*fill)
    return point_estimate(spec, by_cluster(filled, spec.aggregation))


def sample_weights(spec: MetricSpec, column: ScoreColumn) -> Floats:
    """What each sample weighs in a mean or sum (n,): the metric is the sum of weighted scores."""
    count = len(column.values)
    if spec.aggregation is Aggregation.SUM:
        return np.ones(count)
    strata = strata_of(spec, column)
    strata = np.zeros(count, dtype=np.int64) if strata is None else strata
    _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (sizes[stratum] * len(sizes)), dtype=np.float64)


def strata_of(spec: MetricSpec, column: ScoreColumn) -> Ints | None:
    """Categories where the metric is the unweighted mean of theirs; else `None`."""
    return column.strata if spec.aggregation is Aggregation.MEAN_OF_CATEGORIES else None


def _interval(spec: MetricSpec, column: ScoreColumn) -> Interval | None:
    if spec.aggregation in QUANTILES:
        return quantile_interval(column.values, column.clusters, QUANTILES[spec.aggregation])
    if spec.aggregation in RATIOS:
        return _ratio_interval(spec, column)
    estimate = estimate_mean(column.values, column.clusters, strata_of(spec, column))
    binary = bool(np.isin(column.values, (0.0, 1.0)).all())
    interval = wilson_interval(estimate) if binary else student_interval(estimate)
    if interval is None or spec.aggregation is not Aggregation.SUM:
        return interval and clip(interval, spec.low, spec.high)
    n = estimate.n
    return clip(interval._replace(low=interval.low * n, high=interval.high * n), spec.low, None)


def _ratio_interval(spec: MetricSpec, column: ScoreColumn) -> Interval | None:
    parts = column.parts(spec)
    if ratio(parts) is None:
        return None
    find = f1_interval if spec.aggregation is Aggregation.F1 else ratio_interval
    interval = find(parts, column.clusters)
    return interval and clip(interval, spec.low, spec.high)


def _extreme(spec: MetricSpec, column: ScoreColumn, *, best: bool) -> tuple[float, float] | None:
    """Score and denominator of the lowest or highest sample that is possible.

    What an unknown sample would weigh in a ratio is known only if all weigh 0 or 1; what it would
    add to a sum, whose limits are those of the whole, only if all add 0 or 1.
    """
    if spec.aggregation is Aggregation.SUM:
        binary = bool(np.isin(column.known().values, (0.0, 1.0)).all())
        return (float(best), 1.0) if binary else None
    rule, extreme = RATIOS.get(spec.aggregation), spec.high if best else spec.low
    if rule is not None and rule.binary:
        return rule.best if best else rule.worst
    if extreme is None:
        return None
    if rule is None:
        return extreme, 1.0
    known = column.known().over
    plain = not rule.exponential and known is not None and bool(np.isin(known, (0.0, 1.0)).all())
    return (extreme, 1.0) if plain else None
