"""The cluster bootstrap: whole clusters are drawn with replacement."""

from __future__ import annotations

import numpy as np

from harness.stats.clustered import Floats, Ints
from harness.stats.intervals import LEVEL, Interval

__all__ = ["bootstrap_mean", "bootstrap_weights"]


def bootstrap_weights(clusters: Ints, resamples: int = 10_000, seed: int = 0) -> Floats:
    """How often each sample occurs in each resample.

    Args:
        clusters: Cluster number of each sample, shape (n,).
        resamples: Number of resamples B.
        seed: Seed of the draws.

    Returns:
        Counts, shape (B, n), float64.
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    return _draws(len(names), resamples, seed)[:, cluster]


def bootstrap_mean(
    values: Floats,
    clusters: Ints,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval of the mean, resampling clusters (Davison and Hinkley 1997, 3.8).

    Memory is clusters x resamples, not samples x resamples.

    Args:
        values: Scores, shape (n,).
        clusters: Cluster number of each sample, shape (n,).
        resamples: Number of resamples.
        seed: Seed of the draws.
        level: Coverage.

    Example:
        >>> import numpy as np
        >>> bootstrap_mean(np.ones(8), np.arange(8) // 2)
        Interval(low=1.0, high=1.0, method='cluster bootstrap')
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    draws = _draws(len(names), resamples, seed)
    totals = draws @ np.bincount(cluster, weights=values)
    means = totals / (draws @ np.bincount(cluster).astype(np.float64))
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high), "cluster bootstrap")


def _draws(groups: int, resamples: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    shares = np.full(groups, 1 / groups)
    return rng.multinomial(groups, shares, size=resamples).astype(np.float64)
