"""Paired differences: against scipy and statsmodels' definitions, enumeration and simulation."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.stats import (
    Discordance,
    discordance,
    estimate_mean,
    holm,
    mcnemar_exact,
    minimum_detectable_difference,
    paired_estimate,
    paired_interval,
    power_at,
    sign_flip_test,
)

BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def _columns(pairs: list[tuple[bool, bool]]):
    table = np.array(pairs, dtype=float)
    return table[:, 0], table[:, 1], np.arange(len(pairs))


def test_independent_samples_give_scipys_paired_test():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=40), rng.normal(0.2, 1, size=40)
    theirs = scipy_stats.ttest_rel(second, first).confidence_interval(0.95)
    ours = paired_interval(paired_estimate(first, second, np.arange(40)))
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


@given(BITS)
def test_swapping_the_models_swaps_the_sign(pairs: list[tuple[bool, bool]]):
    first, second, clusters = _columns(pairs)
    there = paired_estimate(first, second, clusters)
    back = paired_estimate(second, first, clusters)
    assert there.value == -back.value
    assert there.standard_error == pytest.approx(back.standard_error)
    assert sign_flip_test(first, second, clusters) == sign_flip_test(second, first, clusters)


@given(BITS)
def test_a_model_does_not_differ_from_itself(pairs: list[tuple[bool, bool]]):
    first, _, clusters = _columns(pairs)
    assert paired_estimate(first, first, clusters).value == 0
    assert sign_flip_test(first, first, clusters) == 1
    assert mcnemar_exact(discordance(first, first)) == 1


def test_shared_difficulty_cancels():
    rng = np.random.default_rng(2)
    hard = rng.normal(size=200)
    first, second = hard + rng.normal(0, 0.1, 200), hard + rng.normal(0.1, 0.1, 200)
    paired = paired_estimate(first, second, np.arange(200)).standard_error
    alone = estimate_mean(first, np.arange(200)).standard_error
    assert paired < alone / 4


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="aren't paired"):
        paired_estimate(np.zeros(3), np.zeros(4), np.arange(4))


@pytest.mark.parametrize("strata", [None, np.array([0, 0, 0, 0, 1, 1, 1, 1])])
def test_few_clusters_are_enumerated(strata: np.ndarray | None):
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=8), rng.normal(1, 1, size=8)
    clusters = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    observed = abs(paired_estimate(first, second, clusters, strata).value)
    reached = []
    for swap in product([False, True], repeat=4):
        flip = np.array(swap)[clusters]
        a, b = np.where(flip, second, first), np.where(flip, first, second)
        value = abs(paired_estimate(a, b, clusters, strata).value)
        reached.append(value >= observed - 1e-12)
    assert sign_flip_test(first, second, clusters, strata) == pytest.approx(np.mean(reached))


def test_many_clusters_agree_with_scipys_permutation_test():
    rng = np.random.default_rng(4)
    first, second = rng.random(60), rng.random(60) + 0.08
    theirs = scipy_stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(b - a, axis=axis),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        rng=np.random.default_rng(5),
    ).pvalue
    assert sign_flip_test(first, second, np.arange(60)) == pytest.approx(theirs, abs=0.015)


def test_p_values_of_alike_models_are_uniform():
    """At most 5% of comparisons of alike, clustered models may look significant at 5%."""
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(30), 4)
    hits = 0
    for trial in range(300):
        rate = rng.beta(2, 2, 30)[clusters]
        first, second = (rng.random((2, 120)) < rate).astype(float)
        hits += sign_flip_test(first, second, clusters, resamples=400, seed=trial) <= 0.05
    assert hits / 300 <= 0.08


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("prompts", [20, 100])
def test_intervals_of_differences_cover(prompts: int, correlation: float):
    rng = np.random.default_rng([prompts, int(10 * correlation)])
    clusters, covered, trials = np.repeat(np.arange(prompts), 4), 0, 600
    for _ in range(trials):
        shared = rng.random((2, prompts))[:, clusters]
        own = rng.random((2, prompts * 4))
        draws = np.where(rng.random((2, prompts * 4)) < correlation**0.5, shared, own)
        first, second = (draws < np.array([[0.5], [0.65]])).astype(float)
        found = paired_interval(paired_estimate(first, second, clusters))
        assert found is not None
        covered += found.low <= 0.15 <= found.high
    assert 0.925 <= covered / trials <= 0.975


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_a_binomial_test(a: int, b: int):
    if a + b == 0:
        return
    tail = scipy_stats.binom.cdf(min(a, b), a + b, 0.5)
    assert mcnemar_exact(Discordance(a, b)) == pytest.approx(min(1.0, 2 * tail))


@given(P_VALUES)
def test_holm_is_between_raw_and_bonferroni(p_values: list[float]):
    adjusted = holm(p_values)
    assert all(
        p <= q <= min(1.0, p * len(p_values)) + 1e-12
        for p, q in zip(p_values, adjusted, strict=True)
    )
    ordered = sorted(zip(p_values, adjusted, strict=True))
    assert [q for _, q in ordered] == sorted(adjusted)


@given(P_VALUES, st.randoms())
def test_holm_does_not_depend_on_order(p_values: list[float], random: Random):
    order = list(range(len(p_values)))
    random.shuffle(order)
    shuffled = holm([p_values[i] for i in order])
    assert [shuffled[order.index(i)] for i in range(len(order))] == holm(p_values)


def test_holm_wants_probabilities():
    with pytest.raises(ValueError, match=r"1\.5 isn't a p-value"):
        holm([0.5, 1.5])


def test_power_of_no_difference_is_the_level():
    assert power_at(0, 0.1, 30, alpha=0.01) == pytest.approx(0.01)


@given(st.floats(0.001, 1), st.integers(5, 500), st.floats(0.5, 0.95))
def test_detectable_differences_have_their_power(error: float, degrees: int, power: float):
    difference = minimum_detectable_difference(error, degrees, power=power)
    assert difference is not None
    assert power_at(difference, error, degrees) == pytest.approx(power, abs=1e-6)


def test_detectable_differences_are_found_that_often():
    rng = np.random.default_rng(7)
    n, trials = 25, 2000
    difference = minimum_detectable_difference(1 / n**0.5, n - 1)
    assert difference is not None
    data = rng.normal(difference, 1, (trials, n))
    found = scipy_stats.ttest_1samp(data, 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("error", "degrees"), [(0.0, 9), (float("nan"), 9), (0.1, 0)])
def test_without_spread_nothing_is_said(error: float, degrees: int):
    assert minimum_detectable_difference(error, degrees) is None


def test_impossible_power_is_refused():
    with pytest.raises(ValueError, match="isn't between alpha"):
        minimum_detectable_difference(0.1, 9, power=0.01)
    with pytest.raises(ValueError, match="no power"):
        power_at(0.1, 0.0, 9)


@pytest.mark.parametrize("degrees", [1, 2, 6, 30, 2000])
def test_power_rises_to_one_however_large_the_difference(degrees: int):
    powers = [power_at(shift / 4, 1.0, degrees) for shift in range(200)]
    assert np.isfinite(powers).all()
    assert (np.diff(powers) > -1e-7).all()
    assert powers[-1] > 0.95
