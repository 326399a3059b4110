"""How exactly a difference is known: its interval, its error, what could have been detected."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.stats import norm

from harness.aggregate import QUANTILES, point_estimate, strata_of
from harness.columns import ScoreColumn
from harness.ratios import RATIOS
from harness.records import Aggregation, MetricSpec
from harness.stats import (
    Estimate,
    Interval,
    Moves,
    PlainError,
    bootstrap_quantile_difference,
    bootstrap_ratio_difference,
    measure_moves,
    paired_estimate,
    paired_interval,
    paired_ratio_estimate,
)
from harness.stats.intervals import LEVEL

__all__ = ["difference_interval", "error_behind", "precision"]


def difference_interval(
    spec: MetricSpec, first: ScoreColumn, second: ScoreColumn, level: float = LEVEL
) -> Interval | None:
    """Interval of second minus first.

    Args:
        spec: Definition of the metric.
        first: Known scores of the first run.
        second: Known scores of the second run, of the same samples in the same order.
        level: Coverage.

    Returns:
        Of bounded scores the score interval, of other means Student's t, of quantiles and other
        ratios the paired cluster bootstrap; `None` with too few clusters.
    """
    if len(np.unique(first.clusters)) < 2:
        return None
    moves = _moves(spec, first, second)
    if moves is not None:
        return moves.interval(level)
    if spec.aggregation in QUANTILES:
        values = first.values, second.values
        q = QUANTILES[spec.aggregation]
        return bootstrap_quantile_difference(*values, first.clusters, q, level)
    if spec.aggregation in RATIOS:
        parts = first.parts(spec), second.parts(spec)
        return bootstrap_ratio_difference(*parts, first.clusters, level=level)
    found = paired_interval(_estimate(spec, first, second), level)
    times = _times(spec, first)
    return found and found._replace(low=found.low * times, high=found.high * times)


def precision(spec: MetricSpec, first: ScoreColumn, second: ScoreColumn) -> Moves | PlainError:
    """What is known besides the interval; arguments as `difference_interval`."""
    moves = _moves(spec, first, second)
    if moves is not None:
        return moves
    if spec.aggregation in QUANTILES:
        return _of_quantile(spec, first, second)
    if spec.aggregation in RATIOS:
        parts = first.parts(spec), second.parts(spec)
        estimate = paired_ratio_estimate(*parts, first.clusters)
        return PlainError(estimate.standard_error, estimate.degrees)
    estimate = _estimate(spec, first, second)
    return PlainError(estimate.standard_error * _times(spec, first), estimate.degrees)


def _moves(spec: MetricSpec, first: ScoreColumn, second: ScoreColumn) -> Moves | None:
    """The moves of samples; `None` of quantiles, and of scores without bounds."""
    if spec.aggregation in QUANTILES:
        return None
    rule = RATIOS.get(spec.aggregation)
    if rule is not None:
        return _ratio_moves(spec, first, second) if rule.binary else None
    both = np.concatenate([first.values, second.values])
    if np.isin(both, (0.0, 1.0)).all():
        low, high = 0.0, 1.0
    elif spec.low is None or spec.high is None or spec.aggregation is Aggregation.SUM:
        return None  # a sum's limits are those of the whole, not of a sample
    else:
        low, high = min(spec.low, both.min()), max(spec.high, both.max())
    moves, strata = second.values - first.values, strata_of(spec, first)
    found = measure_moves(moves, high - low, first.clusters, strata)
    return found._replace(step=found.step * _times(spec, first))


def _ratio_moves(spec: MetricSpec, first: ScoreColumn, second: ScoreColumn) -> Moves | None:
    """What each sample adds to the difference of two ratios of 0/1 scores.

    With sums N and D of two runs, ratios R, and means of both runs barred, the difference is the
    sum over samples of (change of numerator - mean R * change of denominator) / mean D, exactly; a
    sample that ended alike adds nothing.
    """
    one, other = point_estimate(spec, first), point_estimate(spec, second)
    if one is None or other is None:
        return None
    before, after = first.parts(spec), second.parts(spec)
    middle = (one + other) / 2
    over = float(np.sum(before.denominators) + np.sum(after.denominators)) / 2
    scale = len(first.values) / over
    change = after.stacked() - before.stacked()
    rule = RATIOS[spec.aggregation]
    ends = ((0.0, 0.0), rule.worst, rule.best)
    step = max(
        abs((a[0] - b[0]) - middle * (a[1] - b[1])) * scale for a, b in combinations(ends, 2)
    )
    return measure_moves((change[:, 0] - middle * change[:, 1]) * scale, step, first.clusters)


def _of_quantile(spec: MetricSpec, first: ScoreColumn, second: ScoreColumn) -> PlainError:
    interval = difference_interval(spec, first, second)
    if interval is None:
        return PlainError(float("nan"), 0)
    return error_behind(interval.low, interval.high, len(np.unique(first.clusters)))


def error_behind(low: float, high: float, clusters: int) -> PlainError:
    """The error that a 95% interval of a bootstrap stands for."""
    return PlainError((high - low) / (2 * float(norm.ppf((1 + LEVEL) / 2))), clusters - 1)


def _estimate(spec: MetricSpec, first: ScoreColumn, second: ScoreColumn) -> Estimate:
    return paired_estimate(first.values, second.values, first.clusters, strata_of(spec, first))


def _times(spec: MetricSpec, column: ScoreColumn) -> int:
    """What turns a mean into the metric: the number of samples of a sum."""
    return len(column.values) if spec.aggregation is Aggregation.SUM else 1
