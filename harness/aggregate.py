"""From verdicts to metrics: point estimate, interval, bounds for what isn't known.

Samples whose verdict is unknown (errored, judge-failed, missing) are left out of the point
estimate; the bounds say where it would be if they had all scored worst or best. Aggregations over
clusters leave out every cluster with an unknown sample.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

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
    quantile,
    quantile_interval,
    student_interval,
    wilson_interval,
)
from harness.stats.clustered import Floats, Ints

__all__ = ["aggregate", "compute_metric"]

_QUANTILES = {Aggregation.MEDIAN: 0.5, Aggregation.P90: 0.9, Aggregation.P99: 0.99}
_BY_CLUSTER = (Aggregation.ALL_IN_CLUSTER, Aggregation.ANY_IN_CLUSTER)


class _Column(NamedTuple):
    """Scores of one metric as arrays; unknown samples are NaN."""

    values: Floats
    clusters: Ints
    strata: Ints

    def known(self) -> _Column:
        """The samples in the point estimate."""
        return self.pick(~np.isnan(self.values))

    def pick(self, mask: np.ndarray) -> _Column:
        """The samples where `mask` holds."""
        return _Column(self.values[mask], self.clusters[mask], self.strata[mask])

    def filled(self, value: float) -> _Column:
        """All samples, the unknown ones scored `value`."""
        return self._replace(values=np.where(np.isnan(self.values), value, self.values))


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
    builders = [_Builder(spec) for spec in metadata.metrics]
    for row in scored:  # once, and nothing but numbers is kept: there may be a million
        verdicts[row.outcome.verdict] += 1
        for builder in builders:
            builder.add(row)
    unknown = sum(count for verdict, count in verdicts.items() if not verdict.is_known)
    complete = bool(verdicts) and not unknown
    return TaskResult(
        task=metadata.name,
        status=TaskStatus.COMPLETE if complete else TaskStatus.INCOMPLETE,
        metrics=tuple(_metric(builder.spec, builder.column()) for builder in builders),
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
    builder = _Builder(spec)
    for row in rows:
        builder.add(row)
    return _metric(spec, builder.column())


def _metric(spec: MetricSpec, column: _Column) -> MetricValue:
    whole = _by_cluster(column, spec.aggregation)
    known = whole.known()
    if not len(known.values):
        return MetricValue(name=spec.name, value=None)
    interval = _interval(spec, known)
    return MetricValue(
        name=spec.name,
        value=_point(spec, known),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(known.values),
        clusters=len(np.unique(known.clusters)),
        method=interval.method if interval else "",
        bound_low=_bound(spec, column, spec.low),
        bound_high=_bound(spec, column, spec.high),
    )


class _Builder:
    """Gathers the column of one metric from a stream of samples, 24 bytes for each."""

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self._values = array("d")
        self._clusters = array("q")
        self._strata = array("q")

    def add(self, row: ScoredSample) -> None:
        spec, scores = self.spec, row.outcome.scores
        if spec.category is not None and row.sample.category != spec.category:
            return
        if spec.score not in scores and row.outcome.verdict.is_known:
            return
        self._values.append(scores.get(spec.score, math.nan))
        self._clusters.append(_name_hash(row.sample.cluster_id))
        self._strata.append(_name_hash(row.sample.category or ""))

    def column(self) -> _Column:
        return _Column(
            np.array(self._values, dtype=np.float64),
            np.array(self._clusters, dtype=np.int64),
            np.array(self._strata, dtype=np.int64),
        )


def _name_hash(name: str) -> int:
    # 64 bits stand for a name, so a million names needn't be kept; unlike `hash`, the same in
    # every process, so sums are made in the same order and rescoring repeats every digit.
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _by_cluster(column: _Column, aggregation: Aggregation) -> _Column:
    """One row per cluster for the aggregations over clusters; NaN if any sample is unknown."""
    if aggregation not in _BY_CLUSTER:
        return column
    reduce = np.minimum if aggregation is Aggregation.ALL_IN_CLUSTER else np.maximum
    names, first, cluster = np.unique(column.clusters, return_index=True, return_inverse=True)
    values = np.full(len(names), np.inf if reduce is np.minimum else -np.inf)
    with np.errstate(invalid="ignore"):  # minimum and maximum hand on NaN, as they should
        reduce.at(values, cluster, column.values)
    return _Column(values, names, column.strata[first])


def _point(spec: MetricSpec, column: _Column) -> float:
    if spec.aggregation in _QUANTILES:
        return quantile(column.values, _QUANTILES[spec.aggregation])
    if spec.aggregation is Aggregation.SUM:
        return float(np.sum(column.values))
    return estimate_mean(column.values, column.clusters, _strata(spec, column)).value


def _strata(spec: MetricSpec, column: _Column) -> Ints | None:
    return column.strata if spec.aggregation is Aggregation.MEAN_OF_CATEGORIES else None


def _interval(spec: MetricSpec, column: _Column) -> Interval | None:
    if spec.aggregation in _QUANTILES:
        return quantile_interval(column.values, column.clusters, _QUANTILES[spec.aggregation])
    estimate = estimate_mean(column.values, column.clusters, _strata(spec, column))
    binary = bool(np.isin(column.values, (0.0, 1.0)).all())
    interval = wilson_interval(estimate) if binary else student_interval(estimate)
    if interval is None or spec.aggregation is not Aggregation.SUM:
        return interval and clip(interval, spec.low, spec.high)
    n = estimate.n
    return clip(interval._replace(low=interval.low * n, high=interval.high * n), spec.low, None)


def _bound(spec: MetricSpec, column: _Column, extreme: float | None) -> float | None:
    """The metric if every unknown sample had scored `extreme`; `None` if none is unknown."""
    if extreme is None or not np.isnan(column.values).any():
        return None
    return _point(spec, _by_cluster(column.filled(extreme), spec.aggregation))
