"""Intervals of the difference of two shares over the same samples, also where few differ."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from harness.stats.clustered import Estimate, student_quantile
from harness.stats.intervals import LEVEL, Interval, effective_size

__all__ = ["DOUBT", "paired_share_interval"]

_EDGE = 1e-9
DOUBT = 9.0
"""Flips are of two kinds, and one may come in clusters while the other doesn't: three independent
flips, not one, balance the largest design effect (`tests/harness/test_stats_paired_shares.py`)."""


def paired_share_interval(
    estimate: Estimate,
    gained: float,
    lost: float,
    level: float = LEVEL,
    size: float | None = None,
) -> Interval | None:
    """Score interval of a difference of shares (Tango 1998), with the effective sample size.

    Where three samples of a hundred differ, the plain error is much too sure of itself, and where
    none does it's 0. The score interval covers there as well. Clusters enter by
    `effective_size`, as in `wilson_interval`; flips are what is rare.

    Args:
        estimate: Mean difference of scores that are 0 or 1, with its cluster-robust error.
        gained: Share of samples that only the second model gets right.
        lost: Share of samples that only the first model gets right.
        level: Coverage.
        size: Effective sample size; `None` takes that of 0/1 scores.

    Returns:
        The interval, or `None` if there are too few clusters for a standard error.

    Example:
        >>> same = Estimate(0.0, 0.0, degrees=99, n=100, clusters=100)
        >>> [round(end, 3) for end in paired_share_interval(same, 0.0, 0.0)[:2]]
        [-0.038, 0.038]
    """
    if not estimate.degrees > 0:
        return None
    difference = estimate.value
    flips = gained + lost
    draws = size or effective_size(estimate, flips - difference**2, estimate.n * flips, DOUBT)
    z = student_quantile(level, estimate.degrees)

    def beyond(delta: float, cut: float) -> float:
        return _score(delta, gained, lost, difference, draws) - cut

    low = high = difference
    if difference > -1 + _EDGE:
        low = float(brentq(beyond, -1 + _EDGE / 2, difference, args=(z,)))
    if difference < 1 - _EDGE:
        high = float(brentq(beyond, difference, 1 - _EDGE / 2, args=(-z,)))
    return Interval(low, high, "paired score (Tango), clustered")


def _score(delta: float, gained: float, lost: float, difference: float, size: float) -> float:
    """How many errors the observed difference lies above a true one of `delta`.

    Tango 1998, equation 2: the error is the one under the constraint that the difference is
    `delta`, from the constrained maximum-likelihood estimate of the share lost.
    """
    linear = -gained - lost + (2 - gained + lost) * delta
    constant = -lost * delta * (1 - delta)
    share = (math.sqrt(max(linear**2 - 8 * constant, 0.0)) - linear) / 4
    variance = max(2 * share + delta * (1 - delta), 0.0) / size
    if difference == delta:
        return 0.0
    return (difference - delta) / math.sqrt(max(variance, 1e-300))
