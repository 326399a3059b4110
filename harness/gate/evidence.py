"""What two columns of scores say about a drop: estimate, error, interval, test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from harness.aggregate import QUANTILES
from harness.columns import ScoreColumn, by_cluster
from harness.compare.measuring import measure_difference
from harness.compare.precision import difference_interval, error_behind, precision
from harness.compare.records import Difference
from harness.records import Direction, MetricSpec
from harness.stats import (
    Interval,
    Moves,
    PlainError,
    bootstrap_quantile_differences,
    fewest_samples,
    quantile_interval,
)

__all__ = ["Columns", "Evidence", "fewest_clusters", "gather", "gather_ratio"]


class Columns(NamedTuple):
    """Scores of one metric in both runs, of the same samples in the same order."""

    first: ScoreColumn
    """The baseline's."""

    second: ScoreColumn
    """The candidate's."""


class Evidence(NamedTuple):
    """What is known about one metric."""

    difference: Difference
    """Values, counts and the two-sided test, as `cheers-bench compare` gives them."""

    columns: Columns
    """Samples (or clusters) with a score in both."""

    known: Moves | PlainError
    """How exactly the difference is known."""

    @property
    def identical(self) -> bool:
        """Whether no sample differs."""
        one, other = self.columns
        over = one.over is None or np.array_equal(one.over, other.over)  # type: ignore[arg-type]
        return np.array_equal(one.values, other.values) and over

    def p_worse(self) -> float | None:
        """One-sided p-value of the drop, from the two-sided test."""
        found = self.difference
        if found.difference is None:
            return None
        p_value = found.p_value
        if p_value is None:  # a quantile, whose error is known from its bootstrap
            p_value = _student_p(found.difference, self.known)
        falls = (found.difference < 0) is (found.metric.direction is Direction.HIGHER)
        return p_value / 2 if falls else 1 - p_value / 2

    def interval(self, level: float) -> Interval | None:
        """Interval of the difference, candidate minus baseline."""
        return difference_interval(self.difference.metric, *self.columns, level)


def gather(task: str, spec: MetricSpec, columns: Columns, *, primary: bool) -> Evidence:
    """Measure a difference.

    Args:
        task: Registry name of the task.
        spec: Definition of the metric.
        columns: Scores of both runs; unknown ones are NaN.
        primary: Whether it's the task's primary metric.
    """
    found = measure_difference(task, spec, *columns, protocol_hash="", primary=primary)
    pair = _known(spec, columns)
    known: Moves | PlainError = PlainError(float("nan"), 0)
    if found.difference is not None and found.clusters > 1:
        known = _precision(found, pair)
    return Evidence(found, pair, known)


def _precision(found: Difference, pair: Columns) -> Moves | PlainError:
    """As `precision`; of quantiles from the interval that is there, not from another bootstrap."""
    if found.metric.aggregation in QUANTILES and found.low is not None and found.high is not None:
        return error_behind(found.low, found.high, found.clusters)
    return precision(found.metric, *pair)


def fewest_clusters(spec: MetricSpec, level: float, *, is_ratio: bool = False) -> int:
    """Fewest clusters, or rounds of timings, that an interval of this level needs.

    Quantiles need as many as let order statistics reach the level. Below, the bootstrap knows of no
    value beyond the largest it saw: three rounds would give a narrow interval of p99 that is wrong
    every fifth time (`tests/gate/test_timings.py`).
    """
    q = QUANTILES.get(spec.aggregation, 0.5 if is_ratio else None)
    return 2 if q is None else fewest_samples(q, level)


def gather_ratio(
    spec: MetricSpec, columns: Columns, levels: Sequence[float]
) -> list[Interval] | None:
    """Intervals of how many times as long the candidate takes, over paired rounds.

    The median, and the mean, are compared by the median of the rounds' ratios with order
    statistics; higher quantiles by the bootstrap of the quantiles' ratio.

    Args:
        spec: Definition of the metric; where higher is better, ratios are turned round.
        columns: Positive scores of both runs, of the same rounds; unknown ones are NaN.
        levels: Coverages; `fewest_clusters` says how many rounds each takes.

    Returns:
        An interval of each level, or `None` with fewer than two rounds or where a score isn't
        positive.
    """
    first, second = _known(spec, columns)
    if spec.direction is Direction.HIGHER:
        first, second = second, first
    rounds = np.arange(len(first.values))
    if len(rounds) < 2 or (first.values <= 0).any() or (second.values <= 0).any():
        return None
    logs = np.log(first.values), np.log(second.values)
    q = QUANTILES.get(spec.aggregation, 0.5)
    if q == 0.5:
        found = [quantile_interval(logs[1] - logs[0], rounds, q, level) for level in levels]
    else:
        found = [*bootstrap_quantile_differences(*logs, rounds, q, levels)]
    return [_exponential(interval) for interval in found if interval is not None]


def _exponential(logs: Interval) -> Interval:
    return Interval(float(np.exp(logs.low)), float(np.exp(logs.high)), logs.method)


def _known(spec: MetricSpec, columns: Columns) -> Columns:
    first, second = (by_cluster(column, spec.aggregation) for column in columns)
    known = ~(np.isnan(first.values) | np.isnan(second.values))
    return Columns(first.pick(known), second.pick(known))


def _student_p(difference: float, known: Moves | PlainError) -> float:
    error = known.error_at(0.0)
    if not error > 0:
        return float(difference == 0)
    return float(2 * student.sf(abs(difference) / error, known.degrees))
