"""One metric in two runs: the difference and everything that says whether it's real."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec
import numpy as np

from harness.aggregate import QUANTILES, extreme_estimate, point_estimate, strata_of
from harness.columns import ScoreColumn, by_cluster
from harness.compare.precision import difference_interval, precision
from harness.compare.records import Change, Difference
from harness.ratios import RATIOS
from harness.records import Direction, MetricSpec
from harness.stats import (
    Interval,
    discordance,
    holm,
    mcnemar_exact,
    sign_flip_test,
    swap_ratio_test,
)
from harness.stats.clustered import Floats

__all__ = ["ALPHA", "adjusted", "measure_difference"]

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
    tests: int = 1,
) -> Difference:
    """Compare one metric over the samples that have a score in both runs.

    Args:
        task: Registry name of the task.
        spec: Definition of the metric.
        first: Scores of the first run.
        second: Scores of the second run, of the same samples in the same order.
        protocol_hash: The protocol of both.
        primary: Whether it's the task's primary metric.
        tests: Number of primary metrics that are adjusted for one another, for what is detectable.
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
        **_measure(spec, pair, ALPHA / (tests if primary else 1)),
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


def _measure(spec: MetricSpec, pair: _Pair, alpha: float) -> dict[str, Any]:
    if spec.aggregation in QUANTILES:
        return _of_quantile(spec, pair)
    measure = _of_ratio if spec.aggregation in RATIOS else _of_mean
    return measure(spec, pair, alpha)


def _by_sample(spec: MetricSpec, column: ScoreColumn) -> Floats:
    """What is higher in a sample that did better: its score, its rightness, or its own ratio."""
    if column.over is None:
        return column.values
    if RATIOS[spec.aggregation].binary:  # a true positive adds alike, a true negative nothing
        return np.asarray(column.values == column.over, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(column.values / column.over, dtype=np.float64)


def _of_ratio(spec: MetricSpec, pair: _Pair, alpha: float) -> dict[str, Any]:
    clusters = pair.first.clusters
    if len(np.unique(clusters)) < 2:
        return {}
    parts = pair.first.parts(spec), pair.second.parts(spec)
    found = precision(spec, *pair)
    return {
        **_ends(difference_interval(spec, *pair)),
        "p_value": swap_ratio_test(*parts, clusters),
        "p_method": "swapped clusters",
        "detectable": found.detectable(alpha),
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


def _of_mean(spec: MetricSpec, pair: _Pair, alpha: float) -> dict[str, Any]:
    first, second = pair.first.values, pair.second.values
    spread = float(np.std(second - first, ddof=1)) if len(first) > 1 else 0.0
    return {
        **_ends(difference_interval(spec, *pair)),
        **_test(pair, strata_of(spec, pair.first)),
        "detectable": precision(spec, *pair).detectable(alpha),
        "standardised": float(np.mean(second - first)) / spread if spread > _FLAT else None,
    }


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
    return _ends(difference_interval(spec, *pair))


def _ends(interval: Interval | None) -> dict[str, Any]:
    return {} if interval is None else interval._asdict()


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
