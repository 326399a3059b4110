"""Quantiles, as of latencies, with distribution-free intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr

from harness.stats.bootstrap import draw_clusters, percentile_interval
from harness.stats.clustered import Floats, Ints
from harness.stats.intervals import LEVEL, Interval

__all__ = [
    "bootstrap_quantile_difference",
    "bootstrap_quantile_differences",
    "fewest_samples",
    "quantile",
    "quantile_interval",
]

_RESAMPLES = 2000


def quantile(values: Floats, q: float) -> float:
    """Sample quantile by linear interpolation between order statistics (Hyndman-Fan type 7)."""
    return float(np.quantile(values, q))


def fewest_samples(q: float, level: float = LEVEL) -> int:
    """Fewest independent samples whose order statistics reach a level.

    With fewer, the largest of all is too likely to lie below a high quantile, or the smallest above
    a low one: no interval between samples covers as often as it says.

    Args:
        q: Quantile in (0, 1).
        level: Coverage.

    Example:
        >>> [fewest_samples(q, 0.95) for q in (0.5, 0.9, 0.99)]
        [6, 36, 368]
    """
    return math.ceil(math.log((1 - level) / 2) / math.log(max(q, 1 - q)))


def quantile_interval(
    values: Floats, clusters: Ints, q: float, level: float = LEVEL
) -> Interval | None:
    """Interval of a quantile.

    Independent samples use order statistics with binomial ranks, exact for any distribution
    (David and Nagaraja 2003, section 7.1); clustered ones the cluster bootstrap. With few samples
    the extreme order statistics may not reach the level: then the range of the data is given and
    the method says so.

    Args:
        values: Shape (n,).
        clusters: Cluster number of each sample, shape (n,).
        q: Quantile in (0, 1).
        level: Coverage.

    Returns:
        The interval, or `None` for fewer than two clusters.
    """
    distinct = len(np.unique(clusters))
    if distinct < 2:
        return None
    if distinct == len(values):
        return _by_order_statistics(np.sort(values), q, level)
    return _by_bootstrap(values, clusters, q, level)


def _by_order_statistics(ordered: Floats, q: float, level: float) -> Interval:
    n, tail = len(ordered), (1 - level) / 2
    below = bdtr(np.arange(n), n, q)  # P(at most k of n samples lie below the quantile)
    low = int(np.searchsorted(below, tail, side="right")) - 1
    high = int(np.searchsorted(below, 1 - tail, side="left"))
    short = n < fewest_samples(q, level)
    method = "range of the data (too few samples)" if short else "order statistics"
    # With few samples even the largest is surely below a high quantile; the interpolated estimate
    # may then lie outside, and a table must not show an interval without its estimate.
    estimate = quantile(ordered, q)
    bottom, top = float(ordered[max(low, 0)]), float(ordered[min(high, n - 1)])
    return Interval(min(bottom, estimate), max(top, estimate), method)


def _by_bootstrap(values: Floats, clusters: Ints, q: float, level: float) -> Interval:
    (draws,) = _resampled([values], clusters, q)
    return percentile_interval(draws, level, "cluster bootstrap")


def bootstrap_quantile_difference(
    first: Floats, second: Floats, clusters: Ints, q: float, level: float = LEVEL
) -> Interval:
    """Percentile interval of the difference of two quantiles over the same samples.

    Memory stays bounded, however many samples there are.

    Args:
        first: Shape (n,).
        second: Shape (n,), the same samples.
        clusters: Cluster number of each sample, shape (n,).
        q: Quantile in (0, 1).
        level: Coverage.
    """
    (interval,) = bootstrap_quantile_differences(first, second, clusters, q, (level,))
    return interval


def bootstrap_quantile_differences(
    first: Floats, second: Floats, clusters: Ints, q: float, levels: Sequence[float]
) -> list[Interval]:
    """As `bootstrap_quantile_difference`, at several levels from the same resamples."""
    one, other = _resampled([first, second], clusters, q)
    return [percentile_interval(other - one, level, "paired cluster bootstrap") for level in levels]


def _resampled(columns: Sequence[Floats], clusters: Ints, q: float) -> list[Floats]:
    """The quantile of each column (n,) in each resample (B,); the same resamples for all."""
    names, cluster = np.unique(clusters, return_inverse=True)
    orders = [np.argsort(values, kind="stable") for values in columns]
    found: list[list[Floats]] = [[] for _ in columns]
    for draws in draw_clusters(len(names), _RESAMPLES, width=len(cluster)):
        for values, order, parts in zip(columns, orders, found, strict=True):
            cumulative = draws[:, cluster[order]]
            np.cumsum(cumulative, axis=1, out=cumulative)
            picks = np.argmax(cumulative >= q * cumulative[:, -1:], axis=1)
            parts.append(values[order][picks])
    return [np.concatenate(parts) for parts in found]
