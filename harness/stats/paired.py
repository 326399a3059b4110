"""Two models on the same samples: the difference, its interval, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from harness.stats.clustered import Estimate, Floats, Ints, estimate_mean
from harness.stats.intervals import LEVEL, Interval, student_interval
from harness.stats.swaps import swap_p_value

__all__ = [
    "Discordance",
    "discordance",
    "holm",
    "mcnemar_exact",
    "paired_estimate",
    "paired_interval",
    "sign_flip_test",
]


class Discordance(NamedTuple):
    """How often two models differ on samples that are right or wrong."""

    only_first: int
    """Right in the first run alone."""

    only_second: int
    """Right in the second run alone."""


def paired_estimate(
    first: Floats, second: Floats, clusters: Ints, strata: Ints | None = None
) -> Estimate:
    """Second minus first: mean difference (or unweighted mean of strata) with a robust error.

    What both models find hard cancels sample by sample, so the error is usually much smaller than
    that of either score (Miller 2024, arXiv 2411.00640, section 4.2).

    Args:
        first: Scores of one model, shape (n,), n >= 1.
        second: Scores of the other on the same samples, shape (n,).
        clusters: Cluster number of each sample, shape (n,).
        strata: Stratum number of each sample; `None` is one stratum.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import numpy as np
        >>> paired_estimate(np.array([0.0, 1.0]), np.array([1.0, 1.0]), np.arange(2)).value
        0.5
    """
    if not len(first) == len(second) == len(clusters):
        raise ValueError(
            f"{len(first)} scores, {len(second)} scores and {len(clusters)} clusters aren't paired"
        )
    return estimate_mean(second - first, clusters, strata)


def paired_interval(estimate: Estimate, level: float = LEVEL) -> Interval | None:
    """Interval of the difference from the cluster-robust error and Student's t.

    Returns:
        The interval, or `None` with too few clusters for a standard error.
    """
    found = student_interval(estimate, level)
    return found and found._replace(method="paired t, clustered")


def sign_flip_test(
    first: Floats,
    second: Floats,
    clusters: Ints,
    strata: Ints | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p-value of "which model is which doesn't matter", by swapping whole clusters.

    If the models are alike, swapping their scores within a cluster changes nothing but the sign of
    its difference; `swap_p_value` tries the swaps.

    Args:
        first: Scores of one model, shape (n,).
        second: Scores of the other on the same samples, shape (n,).
        clusters: Cluster number of each sample, shape (n,).
        strata: Stratum number of each sample, for the unweighted mean of strata.
        resamples: Random sign patterns.
        seed: Seed of the patterns.

    Example:
        >>> import numpy as np
        >>> sign_flip_test(np.zeros(5), np.ones(5), np.arange(5))
        0.0625
    """
    sums = _cluster_sums(second - first, clusters, strata)
    sums = sums[sums != 0]  # clusters without a difference add nothing under any sign
    if not len(sums):
        return 1.0
    reached = abs(sums.sum()) * (1 - 1e-12)
    return swap_p_value(
        len(sums), lambda signs: np.abs(signs @ sums) >= reached, resamples=resamples, seed=seed
    )


def discordance(first: Floats, second: Floats) -> Discordance:
    """Count the samples that one model gets right and the other wrong.

    Example:
        >>> import numpy as np
        >>> discordance(np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0]))
        Discordance(only_first=1, only_second=1)
    """
    return Discordance(int(np.sum(first > second)), int(np.sum(second > first)))


def mcnemar_exact(counts: Discordance) -> float:
    """Exact two-sided p-value of McNemar's test; for independent samples that are right or wrong.

    Given that a sample is discordant, each model is the right one with probability 1/2 under the
    null hypothesis (McNemar 1947; exact form of the binomial test).

    Example:
        >>> mcnemar_exact(Discordance(0, 5))
        0.0625
    """
    total = counts.only_first + counts.only_second
    return float(binomtest(counts.only_first, total).pvalue) if total else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for trying them all (Holm 1979); in the given order.

    Rejecting where the adjusted value is below alpha keeps the chance of any false rejection below
    alpha, whatever the dependence between tests.

    Raises:
        ValueError: A value isn't a probability.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    bad = [p for p in p_values if not 0 <= p <= 1]
    if bad:
        raise ValueError(f"{bad[0]} isn't a p-value")
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted


def _cluster_sums(values: Floats, clusters: Ints, strata: Ints | None) -> Floats:
    """Each cluster's share in the estimate (G,); they add up to it."""
    strata = np.zeros(len(values), dtype=np.int64) if strata is None else strata
    _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    _, cluster = np.unique(clusters, return_inverse=True)
    shares = values / (sizes[stratum] * len(sizes))
    return np.bincount(cluster, weights=shares).astype(np.float64)
