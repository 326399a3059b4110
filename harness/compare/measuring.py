"""One metric in two runs: the difference and everything that says whether it's real."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec
import numpy as np

from harness.aggregate import QUANTILES, extreme_estimate, point_estimate, strata_of
from harness.columns import ScoreColumn, by_cluster
from harness.compare.records import Change, Difference
from harness.ratios import RATIOS
from harness.records import Aggregation, Direction, MetricSpec
from harness.stats import (
    Interval,
    bootstrap_quantile_difference,
    bootstrap_ratio_difference,
    discordance,
    estimate_mean,
    holm,
    mcnemar_exact,
    minimum_detectable_difference,
    paired_estimate,
    paired_interval,
    paired_ratio_estimate,
    paired_share_interval,
    sign_flip_test,
    swap_ratio_test,
)
from harness.stats.clustered import Floats
from harness.stats.intervals import LEVEL

__all__ = ["ALPHA", "adjusted", "mean_difference_interval", "measure_difference"]

ALPHA = 0.05
"""Level at which a difference is called one."""

_FLAT = 1e-12


class _Pair(NamedTuple):
    first: ScoreColumn
    second: ScoreColumn


def measure_difference(
    task: str,
    spec: MetricSpec,
    first: ScoreColumn,
    second: ScoreColumn,
    *,
    protocol_hash: str,
    primary: bool,
) -> Difference:
    """Compare one metric over the samples that have a score in both runs.

    Args:
        task: Registry name of the task.
        spec: Definition of the metric.
        first: Scores of the first run.
        second: Scores of the second run, of the same samples in the same order.
        protocol_hash: The protocol of both.
        primary: Whether it's the task's primary metric.
    """
    whole = _Pair(by_cluster(first, spec.aggregation), by_cluster(second, spec.aggregation))
    known = ~(np.isnan(whole.first.values) | np.isnan(whole.second.values))
    pair = _Pair(whole.first.pick(known), whole.second.pick(known))
    difference = Difference(
        task=task,
        metric=spec,
        primary=primary,
        protocol_hash=protocol_hash,
        change=Change.UNKNOWN,
        n=int(known.sum()),
        clusters=len(np.unique(pair.first.clusters)),
        unknown=int((~known).sum()),
        **({} if known.all() else _bounds(spec, _Pair(first, second))),
    )
    if not difference.n:
        return difference
    counts = discordance(*(_by_sample(spec, column) for column in pair))
    one, other = (point_estimate(spec, column) for column in pair)
    if one is None or other is None:  # a ratio without a denominator in one of the runs
        return msgspec.structs.replace(difference, first=one, second=other)
    measured = msgspec.structs.replace(
        difference,
        first=one,
        second=other,
        difference=other - one,
        only_first=counts.only_first,
        only_second=counts.only_second,
        **_measure(spec, pair),
    )
    return msgspec.structs.replace(measured, change=_change(measured, measured.p_value))


def _bounds(spec: MetricSpec, whole: _Pair) -> dict[str, Any]:
    """The difference with the unknown samples of each run counted for it, and against it."""
    lowest, highest = (
        [extreme_estimate(spec, column, best=best) for column in whole] for best in (False, True)
    )
    return {
        "bound_low": _minus(lowest[1], highest[0]),
        "bound_high": _minus(highest[1], lowest[0]),
    }


def _minus(second: float | None, first: float | None) -> float | None:
    return None if second is None or first is None else second - first


def _measure(spec: MetricSpec, pair: _Pair) -> dict[str, Any]:
    if spec.aggregation in QUANTILES:
        return _of_quantile(spec, pair)
    return _of_ratio(spec, pair) if spec.aggregation in RATIOS else _of_mean(spec, pair)


def _by_sample(spec: MetricSpec, column: ScoreColumn) -> Floats:
    """What is higher in a sample that did better: its score, its rightness, or its own ratio."""
    if column.over is None:
        return column.values
    if RATIOS[spec.aggregation].binary:  # a true positive adds alike, a true negative nothing
        return np.asarray(column.values == column.over, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(column.values / column.over, dtype=np.float64)


def _of_ratio(spec: MetricSpec, pair: _Pair) -> dict[str, Any]:
    clusters = pair.first.clusters
    if len(np.unique(clusters)) < 2:
        return {}
    parts = pair.first.parts(spec), pair.second.parts(spec)
    estimate = paired_ratio_estimate(*parts, clusters)
    return {
        **_ends(bootstrap_ratio_difference(*parts, clusters), 1),
        "p_value": swap_ratio_test(*parts, clusters),
        "p_method": "swapped clusters",
        "detectable": minimum_detectable_difference(estimate.standard_error, estimate.degrees),
    }


def adjusted(differences: list[Difference]) -> list[Difference]:
    """Adjust the primary metrics for one another, so that more tasks don't mean more alarms."""
    tested = [i for i, d in enumerate(differences) if d.primary and d.p_value is not None]
    p_values = holm([differences[i].p_value or 0.0 for i in tested])
    result = list(differences)
    for index, p_value in zip(tested, p_values, strict=True):
        one = differences[index]
        change = _change(one, p_value)
        result[index] = msgspec.structs.replace(one, p_adjusted=p_value, change=change)
    return result


def _of_mean(spec: MetricSpec, pair: _Pair) -> dict[str, Any]:
    first, second, clusters = pair.first.values, pair.second.values, pair.first.clusters
    strata = strata_of(spec, pair.first)
    estimate = paired_estimate(first, second, clusters, strata)
    factor = estimate.n if spec.aggregation is Aggregation.SUM else 1
    detectable = minimum_detectable_difference(estimate.standard_error, estimate.degrees)
    spread = float(np.std(second - first, ddof=1)) if estimate.n > 1 else 0.0
    return {
        **_ends(mean_difference_interval(spec, *pair), 1),
        **_test(pair, strata),
        "detectable": None if detectable is None else detectable * factor,
        "standardised": float(np.mean(second - first)) / spread if spread > _FLAT else None,
    }


def mean_difference_interval(
    spec: MetricSpec, first: ScoreColumn, second: ScoreColumn, level: float = LEVEL
) -> Interval | None:
    """Interval of second minus first in a mean or sum of known scores.

    Args:
        spec: Definition of the metric.
        first: Scores of the first run.
        second: Scores of the second run, of the same samples in the same order.
        level: Coverage.

    Returns:
        The score interval where all are 0 or 1, else Student's t; `None` with too few clusters.
    """
    strata = strata_of(spec, first)
    estimate = paired_estimate(first.values, second.values, first.clusters, strata)
    if np.isin(np.concatenate([first.values, second.values]), (0.0, 1.0)).all():
        gained, lost = (
            estimate_mean(moved.astype(np.float64), first.clusters, strata).value
            for moved in (second.values > first.values, second.values < first.values)
        )
        interval = paired_share_interval(estimate, gained, lost, level)
    else:
        interval = paired_interval(estimate, level)
    factor = len(first.values) if spec.aggregation is Aggregation.SUM else 1
    return interval and interval._replace(low=interval.low * factor, high=interval.high * factor)


def _test(pair: _Pair, strata: Any) -> dict[str, Any]:
    """McNemar's exact test for independent rights and wrongs, swapped clusters for the rest."""
    first, second, clusters = pair.first.values, pair.second.values, pair.first.clusters
    if len(np.unique(clusters)) < 2:
        return {}
    binary = bool(np.isin(np.concatenate([first, second]), (0.0, 1.0)).all())
    if binary and strata is None and len(np.unique(clusters)) == len(clusters):
        return {"p_value": mcnemar_exact(discordance(first, second)), "p_method": "McNemar, exact"}
    p_value = sign_flip_test(first, second, clusters, strata)
    return {"p_value": p_value, "p_method": "sign flips of clusters"}


def _of_quantile(spec: MetricSpec, pair: _Pair) -> dict[str, Any]:
    clusters = pair.first.clusters
    if len(np.unique(clusters)) < 2:
        return {}
    q = QUANTILES[spec.aggregation]
    return _ends(
        bootstrap_quantile_difference(pair.first.values, pair.second.values, clusters, q), 1
    )


def _ends(interval: Interval | None, factor: int) -> dict[str, Any]:
    if interval is None:
        return {}
    low, high = interval.low * factor, interval.high * factor
    return {"low": low, "high": high, "method": interval.method}


def _change(difference: Difference, p_value: float | None) -> Change:
    if difference.low is None or difference.difference is None:
        return Change.UNKNOWN
    clear = p_value < ALPHA if p_value is not None else _excludes_zero(difference)
    direction = difference.metric.direction
    if not clear or direction is Direction.NEITHER or math.isclose(difference.difference, 0.0):
        return Change.UNCLEAR
    rose = difference.difference > 0
    return Change.BETTER if rose is (direction is Direction.HIGHER) else Change.WORSE


def _excludes_zero(difference: Difference) -> bool:
    low, high = difference.low, difference.high
    return low is not None and high is not None and not low <= 0 <= high
