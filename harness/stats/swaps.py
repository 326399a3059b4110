"""Swapping two runs within whole clusters: the null distribution of every paired test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from harness.stats.clustered import Floats

__all__ = ["swap_p_value"]

_EXACT_CLUSTERS = 12
_ROWS, _CELLS = 2048, 1 << 22  # patterns held at once, and signs: 32 MiB


def swap_p_value(
    clusters: int, reaches: Callable[[Floats], NDArray[np.bool_]], *, resamples: int, seed: int
) -> float:
    """Share of swaps whose statistic reaches the observed one.

    Up to 12 clusters all patterns of swaps are tried; beyond, random ones, and the observed one
    counts among them, so that p is never 0 (Phipson and Smyth 2010).

    Args:
        clusters: Number of clusters G in which the two differ; in the others a swap changes
            nothing.
        reaches: Which patterns reach it (B,), from signs (B, G) of -1 where a cluster is swapped.
        resamples: Random patterns.
        seed: Seed of the patterns.

    Example:
        >>> swap_p_value(5, lambda signs: abs(signs.sum(axis=1)) >= 5, resamples=100, seed=0)
        0.0625
    """
    hits = tried = 0
    for signs in _patterns(clusters, resamples, seed):
        hits += int(np.sum(reaches(signs)))
        tried += len(signs)
    return hits / tried if clusters <= _EXACT_CLUSTERS else (1 + hits) / (1 + tried)


def _patterns(clusters: int, resamples: int, seed: int) -> Iterator[Floats]:
    if clusters <= _EXACT_CLUSTERS:
        bits = (np.arange(2**clusters)[:, None] >> np.arange(clusters)) & 1
        yield 2.0 * bits.astype(np.float64) - 1.0
        return
    rng, rows = np.random.default_rng(seed), max(1, min(_ROWS, _CELLS // clusters))
    for start in range(0, resamples, rows):
        size = (min(rows, resamples - start), clusters)
        yield 2.0 * rng.integers(0, 2, size, dtype=np.int8).astype(np.float64) - 1.0
