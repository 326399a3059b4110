"""The cluster bootstrap: whole clusters are drawn with replacement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.stats.clustered import Floats, Ints
from harness.stats.intervals import LEVEL, Interval

__all__ = [
    "bootstrap_mean",
    "bootstrap_sums",
    "bootstrap_weights",
    "cluster_sums",
    "draw_clusters",
    "percentile_interval",
]

_CELLS = 1 << 22  # draws held at once: 32 MiB


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
    return np.concatenate(list(draw_clusters(len(names), resamples, seed)))[:, cluster]


def bootstrap_mean(
    values: Floats,
    clusters: Ints,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval of the mean, resampling clusters (Davison and Hinkley 1997, 3.8).

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
    columns = np.stack([values, np.ones(len(values))], axis=1)
    totals, sizes = bootstrap_sums(columns, clusters, resamples=resamples, seed=seed).T
    return percentile_interval(totals / sizes, level, "cluster bootstrap")


def bootstrap_sums(
    columns: Floats, clusters: Ints, *, resamples: int = 10_000, seed: int = 0
) -> Floats:
    """Sums of several columns over each resample; whatever is a function of sums follows.

    Memory stays bounded, however many clusters there are.

    Args:
        columns: Shape (n, c).
        clusters: Cluster number of each sample, shape (n,).
        resamples: Number of resamples B.
        seed: Seed of the draws.

    Returns:
        Sums, shape (B, c).

    Example:
        >>> import numpy as np
        >>> bootstrap_sums(np.ones((6, 1)), np.arange(6) // 2, resamples=2)
        array([[6.],
               [6.]])
    """
    sums = cluster_sums(columns, clusters)
    parts = [draws @ sums for draws in draw_clusters(len(sums), resamples, seed)]
    return np.concatenate(parts)


def cluster_sums(columns: Floats, clusters: Ints) -> Floats:
    """Sums of each column (n, c) over each cluster, shape (G, c)."""
    names, cluster = np.unique(clusters, return_inverse=True)
    return np.stack(
        [np.bincount(cluster, weights=column, minlength=len(names)) for column in columns.T], axis=1
    )


def draw_clusters(
    groups: int, resamples: int, seed: int = 0, *, width: int = 0
) -> Iterator[Floats]:
    """How often each cluster occurs in each resample, some resamples at a time.

    Args:
        groups: Number of clusters G.
        resamples: Number of resamples.
        seed: Seed of the draws; they don't depend on how they're divided.
        width: Values that the caller holds for each resample, where they are more than G.

    Yields:
        Counts (b, G), float64; the b add up to `resamples`.
    """
    rng = np.random.default_rng(seed)
    shares, rows = np.full(groups, 1 / groups), max(1, _CELLS // max(groups, width))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        yield rng.multinomial(groups, shares, size=count).astype(np.float64)


def percentile_interval(draws: Floats, level: float, method: str) -> Interval:
    """Ends of the middle of the resamples (B,); those without a value, as NaN, are left out."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return Interval(float(low), float(high), method)
