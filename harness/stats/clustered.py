"""Means of samples that come in clusters: four images of one prompt aren't four prompts."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["Estimate", "Floats", "Ints", "estimate_mean", "student_quantile"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


class Estimate(NamedTuple):
    """A weighted mean with its cluster-robust standard error."""

    value: float
    """Point estimate."""

    standard_error: float
    """Cluster-robust standard error; NaN with too few clusters."""

    degrees: int
    """Degrees of freedom of the standard error: clusters minus strata."""

    n: int
    """Samples."""

    clusters: int
    """Distinct clusters."""


def estimate_mean(values: Floats, clusters: Ints, strata: Ints | None = None) -> Estimate:
    """Mean of `values`, or the unweighted mean of its strata's means, with a robust error.

    The estimate is linear in the values, so its variance is the sum over clusters of the squared
    sum of weighted residuals, each residual taken from the mean of its stratum, times the
    small-sample factor G / (G - S) (Liang and Zeger 1986; CR1 in Cameron and Miller 2015).
    Clusters may cross strata.

    Args:
        values: Scores, shape (n,), n >= 1.
        clusters: Cluster number of each sample, shape (n,).
        strata: Stratum number of each sample, shape (n,); `None` is one stratum.

    Returns:
        The estimate; its standard error is NaN where G <= S.

    Example:
        >>> import numpy as np
        >>> estimate_mean(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])).standard_error
        0.5
    """
    strata = np.zeros(len(values), dtype=np.int64) if strata is None else strata
    _, stratum = np.unique(strata, return_inverse=True)
    sizes = np.bincount(stratum)
    means = np.bincount(stratum, weights=values) / sizes
    weights = 1.0 / (sizes[stratum] * len(sizes))
    names, cluster = np.unique(clusters, return_inverse=True)
    sums = np.bincount(cluster, weights=weights * (values - means[stratum]))
    degrees = len(names) - len(sizes)
    variance = np.sum(sums**2) * len(names) / degrees if degrees > 0 else np.nan
    return Estimate(
        float(np.mean(means)), float(np.sqrt(variance)), degrees, len(values), len(names)
    )


def student_quantile(level: float, degrees: int) -> float:
    """Two-sided Student-t quantile, e.g. 2.57 for level 0.95 and 5 degrees of freedom.

    Example:
        >>> round(student_quantile(0.95, 5), 2)
        2.57
    """
    return float(stdtrit(degrees, 0.5 + level / 2))
