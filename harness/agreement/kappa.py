"""Cohen's kappa with an interval that knows clusters."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.stats import LEVEL, student_quantile

__all__ = ["Kappa", "cohen_kappa"]


class Kappa(NamedTuple):
    """Agreement beyond chance."""

    value: float | None
    """Kappa, at most 1; `None` where both judges say one and the same thing throughout."""

    low: float | None
    """Lower end of the 95% interval; `None` with fewer than two clusters."""

    high: float | None
    """Upper end of the 95% interval."""


def cohen_kappa(counts: npt.NDArray[Any]) -> Kappa:
    """Cohen's kappa of two judges, its error by the jackknife over clusters.

    Source: Cohen 1960, A coefficient of agreement for nominal scales, eq. 1; delete-one jackknife
    (Efron and Stein 1981) with Student's t.

    Args:
        counts: (clusters, m, m) integers: how often the first judge gave category i and the second
            j, for each cluster of samples.

    Returns:
        The coefficient with its interval, clipped to [-1, 1].

    Example:
        >>> cohen_kappa(np.array([[[20, 5], [10, 15]]])).value
        0.4
    """
    total = counts.sum(axis=0, keepdims=True)
    value = _kappas(total)[0]
    n = len(counts)
    if np.isnan(value):
        return Kappa(None, None, None)
    parts = _kappas(total - counts) if n > 1 else np.array([np.nan])
    if np.isnan(parts).any():  # without some cluster the rest is all alike
        return Kappa(round(float(value), 12), None, None)
    error = float(np.sqrt((n - 1) / n * np.sum((parts - parts.mean()) ** 2)))
    margin = student_quantile(LEVEL, n - 1) * error
    low, high = max(-1.0, float(value) - margin), min(1.0, float(value) + margin)
    return Kappa(round(float(value), 12), low, high)


def _kappas(tables: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Kappa of each of (n, m, m) tables; NaN where chance alone agrees always."""
    sums = tables.sum(axis=(1, 2)).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.trace(tables, axis1=1, axis2=2) / sums
        chance = (tables.sum(axis=2) * tables.sum(axis=1)).sum(axis=1) / sums**2
        kappa: npt.NDArray[np.float64] = (seen - chance) / (1 - chance)
    return np.where(np.isclose(chance, 1), np.nan, kappa)
