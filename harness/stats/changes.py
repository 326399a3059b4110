"""Did a series of results change, and where? One change, tested over all its possible places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.stats.clustered import Floats
from harness.stats.swaps import swap_p_value

__all__ = ["Split", "independent_change", "paired_change"]

_ROUNDING = 1e-9


class Split(NamedTuple):
    """The best place for a change."""

    place: int
    """First result after it, counted from 0."""

    before: float
    """Mean of the results before it; weighted by their precision where they're independent."""

    after: float
    """Mean of the results from it on."""

    p_value: float
    """Chance of a change this clear anywhere in a series without one."""


def paired_change(shares: Floats, *, resamples: int = 10_000, seed: int = 0) -> Split:
    """Find one change in results over the same clusters.

    For every place the difference "mean after minus mean before" is taken within each cluster, so
    what all runs find hard cancels. The statistic is the largest CUSUM, the difference times
    sqrt(t (T - t) / T) for t results before it, whose place is the least-squares one. Its null
    distribution comes from swapping before and after within whole clusters, the same swap at every
    place, which keeps the dependence between places (Westfall and Young 1993). With two results
    it's the sign-flip test.

    Args:
        shares: What each cluster adds to each result, shape (T, G), T >= 2; rows add up to results.
        resamples: Random swaps; up to 12 clusters that differ, all are tried.
        seed: Seed of the swaps.

    Raises:
        ValueError: There are fewer than two results.

    Example:
        >>> import numpy as np
        >>> shares = np.repeat([[0.25] * 8, [0.125] * 8], [4, 2], axis=0)
        >>> paired_change(shares)
        Split(place=4, before=2.0, after=1.0, p_value=0.0078125)
    """
    results, scale = shares.sum(axis=1), float(np.abs(shares).max())
    moved = _contrasts(len(results)) @ shares
    moved = moved[:, np.any(np.abs(moved) > _ROUNDING * scale, axis=0)]
    if not moved.shape[1]:
        return _split(results, 1, 1.0)
    found = np.abs(moved.sum(axis=1))
    place = int(np.argmax(found)) + 1
    reached = float(found.max()) - _ROUNDING * scale

    def reaches(signs: Floats) -> NDArray[np.bool_]:
        return np.asarray(np.abs(signs @ moved.T).max(axis=1) >= reached)

    p_value = swap_p_value(moved.shape[1], reaches, resamples=resamples, seed=seed)
    return _split(results, place, p_value)


def independent_change(
    values: Floats, errors: Floats, *, resamples: int = 10_000, seed: int = 0
) -> Split:
    """Find one change in independent results with known errors.

    The statistic is the largest likelihood ratio of "two means" against "one mean" of normal
    results with unequal errors (Hawkins 1977); its null distribution is simulated.

    Args:
        values: Results, shape (T,), T >= 2.
        errors: Their standard errors, shape (T,), positive.
        resamples: Simulated series.
        seed: Seed of the simulation.

    Raises:
        ValueError: There are fewer than two results, or an error isn't positive.

    Example:
        >>> import numpy as np
        >>> independent_change(np.array([5.0, 5.1, 4.9, 7.0, 7.1]), np.full(5, 0.2)).place
        3
    """
    if not (errors > 0).all():
        raise ValueError("every result needs a positive standard error")
    weights = 1 / errors**2
    observed = _likelihood_ratios(values[None], weights)[0]
    place = int(np.argmax(observed)) + 1
    draws = np.random.default_rng(seed).normal(0.0, errors, (resamples, len(values)))
    reached = _likelihood_ratios(draws, weights).max(axis=1) >= observed.max() - _ROUNDING
    before, after = (
        float(np.average(values[part], weights=weights[part])) for part in _parts(place)
    )
    return Split(place, before, after, float((1 + reached.sum()) / (1 + resamples)))


def _contrasts(count: int) -> Floats:
    """CUSUM of the mean after minus the mean before, for each place 1 to T - 1 (T - 1, T)."""
    if count < 2:
        raise ValueError("a change needs two results at least")
    places = np.arange(1, count)[:, None]
    after = np.arange(count)[None] >= places
    means = np.where(after, 1 / (count - places), -1 / places)
    return np.asarray(means * np.sqrt(places * (count - places) / count), dtype=np.float64)


def _split(results: Floats, place: int, p_value: float) -> Split:
    before, after = (float(results[part].mean()) for part in _parts(place))
    return Split(place, before, after, p_value)


def _parts(place: int) -> tuple[slice, slice]:
    return slice(None, place), slice(place, None)


def _likelihood_ratios(series: Floats, weights: Floats) -> Floats:
    """Twice the log-likelihood ratio of a change at each place (B, T - 1)."""
    if series.shape[1] < 2:
        raise ValueError("a change needs two results at least")
    sums, mass = np.cumsum(series * weights, axis=1), np.cumsum(weights)
    before, left = sums[:, :-1], mass[:-1]
    after, right = sums[:, -1:] - before, mass[-1] - left
    gap = after / right - before / left
    return np.asarray(gap**2 * left * right / mass[-1], dtype=np.float64)
