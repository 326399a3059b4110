"""What two columns of scores say about a drop: estimate, error, interval, test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from harness.aggregate import QUANTILES, strata_of
from harness.columns import ScoreColumn, by_cluster
from harness.compare.measuring import mean_difference_interval, measure_difference
from harness.compare.records import Difference
from harness.ratios import RATIOS
from harness.records import Direction, MetricSpec
from harness.stats import (
    Estimate,
    Interval,
    bootstrap_quantile_difference,
    bootstrap_ratio_difference,
    paired_estimate,
    paired_ratio_estimate,
    quantile_interval,
    student_quantile,
)
from harness.stats.intervals import LEVEL

__all__ = ["Columns", "Evidence", "gather", "gather_ratio"]


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

    standard_error: float
    """Of the difference; NaN where only the interval is known."""

    degrees: int
    """Degrees of freedom of the standard error."""

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
            p_value = _student_p(found.difference, self.standard_error, self.degrees)
        falls = (found.difference < 0) is (found.metric.direction is Direction.HIGHER)
        return p_value / 2 if falls else 1 - p_value / 2

    def interval(self, level: float) -> Interval | None:
        """Interval of the difference, candidate minus baseline."""
        spec, (first, second) = self.difference.metric, self.columns
        if self.difference.clusters < 2:
            return None
        if spec.aggregation in QUANTILES:
            q = QUANTILES[spec.aggregation]
            values = first.values, second.values
            return bootstrap_quantile_difference(*values, first.clusters, q, level)
        if spec.aggregation in RATIOS:
            parts = first.parts(spec), second.parts(spec)
            return bootstrap_ratio_difference(*parts, first.clusters, level=level)
        return mean_difference_interval(spec, *self.columns, level)


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
    error, degrees = float("nan"), 0
    if found.difference is not None and found.clusters > 1:
        error, degrees = _error(spec, pair)
    return Evidence(found, pair, error, degrees)


def gather_ratio(spec: MetricSpec, columns: Columns, level: float) -> Interval | None:
    """Interval of how many times as long the candidate takes, over paired rounds.

    The median, and the mean, are compared by the median of the rounds' ratios with order
    statistics; higher quantiles by the bootstrap of the quantiles' ratio.

    Args:
        spec: Definition of the metric; where higher is better, ratios are turned round.
        columns: Positive scores of both runs, of the same rounds; unknown ones are NaN.
        level: Coverage.

    Returns:
        The interval, or `None` with too few rounds.
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
        found = quantile_interval(logs[1] - logs[0], rounds, q, level)
    else:
        found = bootstrap_quantile_difference(*logs, rounds, q, level)
    if found is None:
        return None
    return Interval(float(np.exp(found.low)), float(np.exp(found.high)), found.method)


def _known(spec: MetricSpec, columns: Columns) -> Columns:
    first, second = (by_cluster(column, spec.aggregation) for column in columns)
    known = ~(np.isnan(first.values) | np.isnan(second.values))
    return Columns(first.pick(known), second.pick(known))


def _error(spec: MetricSpec, columns: Columns) -> tuple[float, int]:
    first, second = columns
    if spec.aggregation in QUANTILES:
        return _quantile_error(spec, columns)
    if spec.aggregation in RATIOS:
        parts = first.parts(spec), second.parts(spec)
        estimate = paired_ratio_estimate(*parts, first.clusters)
        return estimate.standard_error, estimate.degrees
    return _mean_error(spec, columns)


def _mean_error(spec: MetricSpec, columns: Columns) -> tuple[float, int]:
    estimate, interval = _estimate(spec, columns), mean_difference_interval(spec, *columns, LEVEL)
    if interval is None:
        return float("nan"), 0
    # Of shares the plain error is 0 where nothing differs; the interval's half-width isn't.
    error = (interval.high - interval.low) / 2 / student_quantile(LEVEL, estimate.degrees)
    return error, estimate.degrees


def _quantile_error(spec: MetricSpec, columns: Columns) -> tuple[float, int]:
    first, second = columns
    interval = bootstrap_quantile_difference(
        first.values, second.values, first.clusters, QUANTILES[spec.aggregation]
    )
    error = (interval.high - interval.low) / (2 * float(norm.ppf(0.975)))
    return error, len(np.unique(first.clusters)) - 1


def _student_p(difference: float, error: float, degrees: int) -> float:
    if not error > 0:
        return float(difference == 0)
    return float(2 * student.sf(abs(difference) / error, degrees))


def _estimate(spec: MetricSpec, columns: Columns) -> Estimate:
    first, second = columns
    return paired_estimate(first.values, second.values, first.clusters, strata_of(spec, first))
