"""Intervals of means: Student-t in general, Wilson where scores are 0 or 1."""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.stats.clustered import Estimate, student_quantile

__all__ = ["Interval", "clip", "student_interval", "wilson_interval"]

LEVEL = 0.95
"""Coverage of every interval in tables."""


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    """Lower end."""

    high: float
    """Upper end."""

    method: str
    """Name of the method, as stored with the metric."""


def student_interval(estimate: Estimate, level: float = LEVEL) -> Interval | None:
    """Symmetric interval from the cluster-robust error and Student's t.

    Returns:
        The interval, or `None` if there are too few clusters for a standard error.
    """
    if not estimate.degrees > 0:
        return None
    margin = student_quantile(level, estimate.degrees) * estimate.standard_error
    return Interval(estimate.value - margin, estimate.value + margin, "t, clustered")


def wilson_interval(estimate: Estimate, level: float = LEVEL) -> Interval | None:
    """Wilson score interval with the effective sample size of the cluster-robust error.

    Near 0 and 1 it covers where the symmetric interval collapses (Korn and Graubard 1998; Franco
    et al. 2019).

    Args:
        estimate: A mean of 0/1 scores, so between 0 and 1.
        level: Coverage.

    Returns:
        The interval, or `None` if there are too few clusters for a standard error.

    Example:
        >>> wilson_interval(Estimate(1.0, 0.0, degrees=9, n=40, clusters=10)).low > 0.6
        True
    """
    if not estimate.degrees > 0:
        return None
    p = estimate.value
    size = effective_size(estimate, p * (1 - p), estimate.n * min(p, 1 - p))
    z2 = student_quantile(level, estimate.degrees) ** 2
    centre = (p + z2 / (2 * size)) / (1 + z2 / size)
    margin = math.sqrt(z2 * (p * (1 - p) / size + z2 / (4 * size**2))) / (1 + z2 / size)
    return Interval(min(p, centre - margin), max(p, centre + margin), "Wilson, clustered")


def effective_size(
    estimate: Estimate, spread: float, rare: float, doubt: float = 1.0, least: float = 1.0
) -> float:
    """Number of independent draws that would tell as much as these clusters.

    It's the number of samples over the design effect. Few samples of the rarer kind tell little
    about the correlation within clusters: two failures of two prompts don't prove that images of a
    prompt are independent. So the observed effect, weighed by the square of the rare samples that
    are independent by it, is drawn towards its largest value, one draw per cluster.
    Without strata an effect below `least` is chance and taken as it; strata do make an estimate
    more precise than independent draws.

    Args:
        estimate: A mean with its cluster-robust error.
        spread: Variance of one independent draw.
        rare: Number of samples of the rarer kind.
        doubt: Weight of the largest value: the square of the number of independent rare samples
            that count as much as it.
        least: Smallest effect without strata: below 1 where samples spread less than `spread`.

    Example:
        >>> effective_size(Estimate(1.0, 0.0, degrees=9, n=40, clusters=10), 0.0, 0.0)
        10.0
    """
    if not (estimate.standard_error > 0 and spread > 0):
        return float(estimate.clusters)
    effect = estimate.standard_error**2 * estimate.n / spread
    if estimate.clusters - estimate.degrees == 1:
        effect = max(effect, least)
    weight, most = (rare / effect) ** 2, estimate.n / estimate.clusters
    return estimate.n * (weight + doubt) / (weight * effect + doubt * most)


def clip(interval: Interval, low: float | None, high: float | None) -> Interval:
    """The interval cut to a metric's possible values.

    Example:
        >>> clip(Interval(-0.1, 0.4, "t"), 0.0, 1.0)
        Interval(low=0.0, high=0.4, method='t')
    """
    bottom = interval.low if low is None else max(low, interval.low)
    top = interval.high if high is None else min(high, interval.high)
    return Interval(bottom, top, interval.method)
