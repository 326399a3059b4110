"""Ratios of sums, as F1, precision, recall, error rates and perplexity.

A ratio of sums isn't a mean of samples: its denominator is random too. Its error comes from the
linearised residuals `numerator - ratio * denominator` (the delta method; Cochran 1977, section
6.4), summed by cluster, or from resampling clusters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.stats.bootstrap import bootstrap_sums, cluster_sums, percentile_interval
from harness.stats.clustered import Estimate, Floats, Ints
from harness.stats.intervals import LEVEL, Interval, student_interval, wilson_interval
from harness.stats.swaps import swap_p_value

__all__ = [
    "Parts",
    "bootstrap_ratio",
    "bootstrap_ratio_difference",
    "f1_interval",
    "paired_ratio_estimate",
    "ratio",
    "ratio_estimate",
    "ratio_interval",
    "swap_ratio_test",
]

_ROUNDING = 1e-12


class Parts(NamedTuple):
    """What each sample adds to a ratio."""

    numerators: Floats
    """Shape (n,)."""

    denominators: Floats
    """Shape (n,), none negative."""

    exponential: bool = False
    """Whether e to the ratio is meant, as in perplexity."""

    def stacked(self) -> Floats:
        """Both as columns (n, 2)."""
        return np.stack([self.numerators, self.denominators], axis=1)


def ratio(parts: Parts) -> float | None:
    """Sum over sum; `None` where the denominators sum to 0, because nothing defines it then.

    Example:
        >>> import numpy as np
        >>> ratio(Parts(np.array([1.0, 0.0]), np.array([1.0, 3.0])))
        0.25
    """
    over = float(np.sum(parts.denominators))
    if not over:
        return None
    value = float(np.sum(parts.numerators)) / over
    return float(np.exp(value)) if parts.exponential else value


def ratio_estimate(parts: Parts, clusters: Ints) -> Estimate:
    """Ratio of sums with its cluster-robust error by the delta method.

    Clusters that add nothing to the denominator say nothing and aren't counted.

    Args:
        parts: What each sample adds.
        clusters: Cluster number of each sample, shape (n,).

    Returns:
        The estimate; of e to the ratio, error included, where `parts.exponential`. Its standard
        error is NaN with fewer than two clusters.

    Raises:
        ValueError: The denominators sum to 0.

    Example:
        >>> import numpy as np
        >>> parts = Parts(np.array([2.0, 0.0, 2.0, 2.0]), np.array([2.0, 1.0, 2.0, 2.0]))
        >>> round(ratio_estimate(parts, np.arange(4)).value, 4)
        0.8571
    """
    counted = parts.denominators != 0
    plain = Parts(parts.numerators[counted], parts.denominators[counted])
    value = ratio(plain)
    if value is None:
        raise ValueError("the denominators sum to 0")
    influence = _influence(plain, cluster_sums(plain.stacked(), clusters[counted]))
    error = _error(influence)
    if parts.exponential:
        value = float(np.exp(value))
        error *= value
    return Estimate(value, error, len(influence) - 1, int(counted.sum()), len(influence))


def ratio_interval(parts: Parts, clusters: Ints, level: float = LEVEL) -> Interval | None:
    """Interval of a ratio by the delta method.

    Shares (numerators of 0 or 1 within denominators of 0 or 1, as precision and recall) get a
    Wilson interval; other ratios Student's t, on the exponent where e to the ratio is meant.

    Args:
        parts: What each sample adds.
        clusters: Cluster number of each sample, shape (n,).
        level: Coverage.

    Returns:
        The interval, or `None` if there are too few clusters for a standard error.

    Raises:
        ValueError: The denominators sum to 0.
    """
    inner = ratio_estimate(parts._replace(exponential=False), clusters)
    if _is_share(parts) and not parts.exponential:
        return wilson_interval(inner, level)
    interval = student_interval(inner, level)
    if interval is None:
        return None
    low, high = interval.low, interval.high
    if parts.exponential:
        low, high = float(np.exp(low)), float(np.exp(high))
    return Interval(low, high, "delta method, clustered")


def f1_interval(parts: Parts, clusters: Ints, level: float = LEVEL) -> Interval | None:
    """Interval of F1.

    F1 = 2 J / (1 + J), where J, the share of true positives among all samples that are positive or
    were called so, is a proportion. Its Wilson interval is mapped, so that the ends stay in [0, 1]
    and cover near 1, where a symmetric interval collapses.

    Args:
        parts: Twice the true positives over predicted plus actual positives, by sample.
        clusters: Cluster number of each sample, shape (n,).
        level: Coverage.

    Returns:
        The interval, or `None` if there are too few clusters for a standard error.

    Raises:
        ValueError: Nothing is positive and nothing was called so.

    Example:
        >>> import numpy as np
        >>> parts = Parts(np.repeat([2.0, 0.0], [90, 20]), np.repeat([2.0, 1.0], [90, 20]))
        >>> [round(end, 3) for end in f1_interval(parts, np.arange(110))[:2]]
        [0.847, 0.936]
    """
    hits = parts.numerators / 2
    share = ratio_estimate(Parts(hits, parts.denominators - hits), clusters)
    interval = wilson_interval(share, level)
    if interval is None:
        return None
    low, high = (2 * end / (1 + end) for end in interval[:2])
    return Interval(low, high, "Wilson of TP/(TP+FP+FN), clustered")


def bootstrap_ratio(
    parts: Parts,
    clusters: Ints,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval | None:
    """Percentile interval of a ratio, resampling clusters; the check on the delta method.

    Returns:
        The interval, or `None` with fewer than two clusters or an empty denominator.
    """
    if len(np.unique(clusters)) < 2 or ratio(parts) is None:
        return None
    sums = bootstrap_sums(parts.stacked(), clusters, resamples=resamples, seed=seed)
    return percentile_interval(
        _of_sums(sums, exponential=parts.exponential), level, "cluster bootstrap"
    )


def paired_ratio_estimate(first: Parts, second: Parts, clusters: Ints) -> Estimate:
    """Second minus first, with the error of the linearised difference.

    Args:
        first: What each sample adds in one run.
        second: The same samples in the other.
        clusters: Cluster number of each sample, shape (n,).

    Raises:
        ValueError: A denominator sums to 0.
    """
    sides = [ratio_estimate(parts, clusters) for parts in (first, second)]
    influences = []
    for parts, side in zip((first, second), sides, strict=True):
        influence = _influence(parts, cluster_sums(parts.stacked(), clusters))
        influences.append(influence * (side.value if parts.exponential else 1.0))
    difference = influences[1] - influences[0]
    value = sides[1].value - sides[0].value
    degrees = len(difference) - 1
    return Estimate(value, _error(difference), degrees, len(clusters), len(difference))


def bootstrap_ratio_difference(
    first: Parts,
    second: Parts,
    clusters: Ints,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval | None:
    """Percentile interval of second minus first, drawing the same clusters for both.

    Returns:
        The interval, or `None` with fewer than two clusters or an empty denominator.
    """
    if len(np.unique(clusters)) < 2 or ratio(first) is None or ratio(second) is None:
        return None
    columns = np.concatenate([first.stacked(), second.stacked()], axis=1)
    sums = bootstrap_sums(columns, clusters, resamples=resamples, seed=seed)
    draws = _of_sums(sums[:, 2:], exponential=second.exponential)
    draws -= _of_sums(sums[:, :2], exponential=first.exponential)
    return percentile_interval(draws, level, "paired cluster bootstrap")


def swap_ratio_test(
    first: Parts, second: Parts, clusters: Ints, *, resamples: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p-value of "which run is which doesn't matter", by swapping whole clusters.

    As `sign_flip_test`, for ratios: both sums are made anew under each swap. Up to 12 clusters that
    differ, all swaps are tried; beyond, random ones.

    Raises:
        ValueError: A denominator sums to 0.
    """
    sums = [cluster_sums(parts.stacked(), clusters) for parts in (first, second)]
    observed = [ratio(parts) for parts in (first, second)]
    if observed[0] is None or observed[1] is None:
        raise ValueError("the denominators sum to 0")
    half = (sums[1] - sums[0]) / 2
    half = half[np.any(half != 0, axis=1)]
    if not len(half):
        return 1.0
    middle = (sums[0].sum(0) + sums[1].sum(0)) / 2
    reached = abs(observed[1] - observed[0]) - _ROUNDING

    def reaches(signs: Floats) -> NDArray[np.bool_]:
        moved = signs @ half
        gap = _of_sums(middle + moved, exponential=first.exponential)
        gap -= _of_sums(middle - moved, exponential=first.exponential)
        # A swap that empties a denominator leaves no difference to compare; it counts as reached.
        return ~(np.abs(gap) < reached)

    return swap_p_value(len(half), reaches, resamples=resamples, seed=seed)


def _influence(parts: Parts, sums: Floats) -> Floats:
    """What each cluster (G,) moves the ratio by, to first order; zeros for an empty denominator."""
    over = float(np.sum(parts.denominators))
    value = float(np.sum(parts.numerators)) / over
    return np.asarray((sums[:, 0] - value * sums[:, 1]) / over, dtype=np.float64)


def _error(influence: Floats) -> float:
    groups = len(influence)
    if groups < 2:
        return float("nan")
    return float(np.sqrt(np.sum(influence**2) * groups / (groups - 1)))


def _is_share(parts: Parts) -> bool:
    over = parts.denominators
    binary = np.isin(parts.numerators, (0.0, 1.0)).all() and np.isin(over, (0.0, 1.0)).all()
    return bool(binary and (parts.numerators <= over).all())


def _of_sums(sums: Floats, *, exponential: bool) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.asarray(sums[..., 0] / sums[..., 1], dtype=np.float64)
    return np.exp(values) if exponential else values
