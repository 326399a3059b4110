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

    Near 0 and 1 it covers where the symmetric interval collapses. The effective size is the number
    of independent 0/1 draws with the same standard error (Korn and Graubard 1998; Franco et al.
    2019), at most n. Where every sample scored alike nothing tells the correlation within
    clusters, and each cluster counts as one draw.

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
    p, error = estimate.value, estimate.standard_error
    size = float(estimate.clusters)
    if error > 0 and 0 < p < 1:
        size = min(float(estimate.n), p * (1 - p) / error**2)
    z2 = student_quantile(level, estimate.degrees) ** 2
    centre = (p + z2 / (2 * size)) / (1 + z2 / size)
    margin = math.sqrt(z2 * (p * (1 - p) / size + z2 / (4 * size**2))) / (1 + z2 / size)
    return Interval(min(p, centre - margin), max(p, centre + margin), "Wilson, clustered")


def clip(interval: Interval, low: float | None, high: float | None) -> Interval:
    """The interval cut to a metric's possible values.

    Example:
        >>> clip(Interval(-0.1, 0.4, "t"), 0.0, 1.0)
        Interval(low=0.0, high=0.4, method='t')
    """
    bottom = interval.low if low is None else max(low, interval.low)
    top = interval.high if high is None else min(high, interval.high)
    return Interval(bottom, top, interval.method)
