"""Swaps of whole clusters: against scipy's permutation test, exactly and at random."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.stats.clustered import Floats
from harness.stats.swaps import swap_p_value


def p_value(values: Floats, resamples: int = 10_000, seed: int = 0) -> float:
    reached = abs(values.sum()) - 1e-12
    return swap_p_value(
        len(values), lambda signs: np.abs(signs @ values) >= reached, resamples=resamples, seed=seed
    )


def scipys(values: Floats, resamples: float) -> float:
    found = scipy_stats.permutation_test(
        (values,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    return float(found.pvalue)


@pytest.mark.parametrize("clusters", range(2, 13))
def test_few_clusters_are_swapped_in_all_ways(clusters: int):
    values = np.random.default_rng(clusters).normal(0.5, 1, clusters)
    assert p_value(values) == pytest.approx(scipys(values, np.inf), abs=1e-12)


def test_many_clusters_are_swapped_at_random():
    values = np.random.default_rng(0).normal(0.15, 1, 100)
    assert p_value(values) == pytest.approx(scipys(values, 10_000), abs=0.02)
    assert p_value(values) == p_value(values) != p_value(values, seed=1)


def test_the_observed_pattern_counts_among_random_ones():
    assert p_value(np.ones(50), resamples=99) == 0.01


def test_every_pattern_is_of_signs_and_each_is_asked_once():
    """Also where so many clusters are swapped that few patterns are held at once."""
    sizes = []

    def reaches(signs: Floats) -> np.ndarray:
        assert set(np.unique(signs)) == {-1.0, 1.0}
        sizes.append(signs.size)
        return np.zeros(len(signs), dtype=bool)

    assert swap_p_value(5000, reaches, resamples=2000, seed=0) == 1 / 2001
    assert sum(sizes) == 2000 * 5000
    assert max(sizes) <= 1 << 22
