"""Intervals: against hand-computed cases, scipy, each other, and simulated coverage."""

import tracemalloc
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.stats import (
    Estimate,
    Interval,
    bootstrap_mean,
    bootstrap_quantile_difference,
    bootstrap_weights,
    clip,
    estimate_mean,
    fewest_samples,
    quantile,
    quantile_interval,
    student_interval,
    wilson_interval,
)
from harness.stats.bootstrap import draw_clusters

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=40)


def _arrays(scores: list[float], size: int = 1):
    return np.array(scores), np.arange(len(scores)) // size


def test_independent_samples_have_the_textbook_error():
    values, clusters = _arrays([1.0, 2.0, 4.0, 9.0])
    estimate = estimate_mean(values, clusters)
    assert estimate.value == 4
    assert estimate.standard_error == pytest.approx(np.std(values, ddof=1) / 2)
    assert estimate.degrees == 3


def test_student_interval_is_scipys():
    values = np.random.default_rng(0).normal(size=30)
    ours = student_interval(estimate_mean(values, np.arange(30)))
    theirs = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_equal_images_of_a_prompt_count_once():
    one, _ = _arrays([0.0, 1.0, 1.0])
    alone = estimate_mean(one, np.arange(3))
    fourfold = estimate_mean(np.repeat(one, 4), np.repeat(np.arange(3), 4))
    assert fourfold.standard_error == pytest.approx(alone.standard_error)
    assert (fourfold.n, fourfold.clusters) == (12, 3)


def test_mean_of_strata_is_unweighted_and_its_error_adds_up():
    values = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    strata = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    estimate = estimate_mean(values, np.arange(9), strata)
    assert estimate.value == pytest.approx((3 / 4 + 1 / 5) / 2)
    parts = [values[strata == s] for s in (0, 1)]
    residual = sum(((p - p.mean()) ** 2).sum() / (2 * len(p)) ** 2 for p in parts)
    assert estimate.standard_error == pytest.approx(np.sqrt(residual * 9 / 7))


@given(SCORES, st.randoms(use_true_random=False))
def test_order_does_not_matter(scores: list[float], random: Random):
    values, clusters = _arrays(scores, 2)
    order = list(range(len(scores)))
    random.shuffle(order)
    plain, shuffled = estimate_mean(values, clusters), estimate_mean(values[order], clusters[order])
    assert shuffled == pytest.approx(plain, nan_ok=True)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=3, max_size=60), st.integers(1, 4))
def test_wilson_contains_the_estimate_and_stays_inside(scores: list[float], size: int):
    values, clusters = _arrays(scores, size)
    estimate = estimate_mean(values, clusters)
    interval = wilson_interval(estimate)
    if interval is None:
        assert estimate.clusters < 2
        return
    assert 0 <= interval.low <= estimate.value <= interval.high <= 1
    assert interval.low < interval.high


def test_wilson_is_scipys_for_many_independent_samples():
    values, clusters = _arrays([1.0] * 700 + [0.0] * 300)
    ours = wilson_interval(estimate_mean(values, clusters))
    theirs = scipy_stats.binomtest(700, 1000).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=5e-4)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_unanimity_is_not_certainty(score: float):
    interval = wilson_interval(estimate_mean(np.full(40, score), np.arange(40) // 4))
    assert interval.high - interval.low > 0.2


def test_one_cluster_has_no_interval():
    estimate = estimate_mean(np.array([0.0, 1.0]), np.array([0, 0]))
    assert student_interval(estimate) is None
    assert wilson_interval(estimate) is None


def test_bootstrap_agrees_with_the_analytic_interval():
    rng = np.random.default_rng(1)
    clusters = np.arange(600) // 4
    values = (rng.random(600) < np.repeat(rng.beta(2, 1, 150), 4)).astype(float)
    analytic = student_interval(estimate_mean(values, clusters))
    resampled = bootstrap_mean(values, clusters, seed=2)
    assert resampled.high - resampled.low == pytest.approx(analytic.high - analytic.low, rel=0.1)


def test_bootstrap_is_seeded_and_keeps_clusters_whole():
    clusters = np.array([5, 5, 9, 9, 9])
    weights = bootstrap_weights(clusters, resamples=50, seed=3)
    assert (weights == bootstrap_weights(clusters, resamples=50, seed=3)).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    assert (weights[:, 0] + weights[:, 2] == 2).all()


def _simulated(rng: np.random.Generator, prompts: int, images: int, p: float, rho: float):
    """0/1 images whose correlation within a prompt is rho (beta-binomial)."""
    size = (1 - rho) / rho if rho else None
    chance = rng.beta(p * size, (1 - p) * size, prompts) if size else np.full(prompts, p)
    return (rng.random((prompts, images)) < chance[:, None]).astype(float).ravel()


@pytest.mark.parametrize(
    ("prompts", "images", "p", "rho"),
    [
        (20, 4, 0.5, 0.0),
        (20, 4, 0.8, 0.3),
        (50, 4, 0.9, 0.0),
        (100, 4, 0.78, 0.5),
        (100, 4, 0.5, 0.7),
        (500, 4, 0.78, 0.3),
        (100, 1, 0.95, 0.0),
    ],
)
def test_coverage_of_the_95_percent_interval(prompts: int, images: int, p: float, rho: float):
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(prompts), images)
    hits, rounds = 0, 1500
    for _ in range(rounds):
        estimate = estimate_mean(_simulated(rng, prompts, images, p, rho), clusters)
        interval = wilson_interval(estimate)
        hits += interval.low <= p <= interval.high
    assert 0.93 <= hits / rounds <= 0.975


@pytest.mark.parametrize(
    ("prompts", "p", "rho"), [(20, 0.9, 0.5), (20, 0.9, 0.7), (40, 0.95, 0.5), (40, 0.95, 0.7)]
)
def test_few_failures_do_not_prove_independence(prompts: int, p: float, rho: float):
    """Where all failures may lie in two prompts, their correlation can't be seen."""
    rng, rounds, hits = np.random.default_rng(11), 1000, 0
    clusters = np.repeat(np.arange(prompts), 4)
    for _ in range(rounds):
        interval = wilson_interval(estimate_mean(_simulated(rng, prompts, 4, p, rho), clusters))
        hits += interval.low <= p <= interval.high
    assert 0.94 <= hits / rounds <= 0.985


CATEGORIES = (0.95, 0.6, 0.4, 0.75, 0.1, 0.15)


def _of_categories(rng: np.random.Generator, prompts: int, images: int, rho: float):
    """Scores of six unlike categories, as of a weak model on GenEval."""
    values = [_simulated(rng, prompts, images, p, rho) for p in CATEGORIES]
    clusters = np.repeat(np.arange(6 * prompts), images)
    return np.concatenate(values), clusters, np.repeat(np.arange(6), prompts * images)


@pytest.mark.parametrize(
    ("prompts", "images", "rho"), [(15, 1, 0.0), (90, 1, 0.0), (15, 4, 0.0), (15, 4, 0.5)]
)
def test_coverage_of_a_mean_of_categories(prompts: int, images: int, rho: float):
    rng, rounds, hits = np.random.default_rng(12), 1000, 0
    for _ in range(rounds):
        interval = wilson_interval(estimate_mean(*_of_categories(rng, prompts, images, rho)))
        hits += interval.low <= np.mean(CATEGORIES) <= interval.high
    assert 0.93 <= hits / rounds <= 0.97


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_bootstrap_agrees_with_the_interval_of_a_mean_of_categories(rho: float):
    values, clusters, strata = _of_categories(np.random.default_rng(13), 90, 4, rho)
    ours = wilson_interval(estimate_mean(values, clusters, strata))
    weights = bootstrap_weights(clusters, resamples=2000)
    means = [
        (weights[:, strata == s] @ values[strata == s]) / weights[:, strata == s].sum(1)
        for s in range(6)
    ]
    low, high = np.quantile(np.mean(means, axis=0), [0.025, 0.975])
    assert ours.high - ours.low == pytest.approx(high - low, rel=0.1)


def test_ignoring_clusters_would_undercover():
    """The coverage test can fail: the naive interval does."""
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(400):
        values = _simulated(rng, 100, 4, 0.5, 0.7)
        interval = wilson_interval(estimate_mean(values, np.arange(400)))
        hits += interval.low <= 0.5 <= interval.high
    assert hits / 400 < 0.85


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_quantile_interval_covers_for_any_distribution(q: float):
    rng = np.random.default_rng(9)
    truth = scipy_stats.lognorm(1).ppf(q)
    hits = 0
    for _ in range(600):
        interval = quantile_interval(rng.lognormal(size=80), np.arange(80), q)
        hits += interval.low <= truth <= interval.high
    assert hits / 600 >= 0.93


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("q", [0.1, 0.5, 0.9, 0.99])
def test_quantile_intervals_are_scipys(q: float, level: float):
    values = np.random.default_rng(10).lognormal(size=500)
    for n in (*range(2, 60), 100, 298, 299, 300, 500):
        found = quantile_interval(values[:n], np.arange(n), q, level)
        theirs = scipy_stats.quantile_test(values[:n], p=q).confidence_interval(level)
        reached = bool(np.isfinite(theirs).all())
        assert (n >= fewest_samples(q, level), "too few" in found.method) == (reached, not reached)
        if reached:
            assert found[:2] == (theirs.low, theirs.high)


def test_ranks_of_the_median():
    """The mean of Binomial(n, 1/2), and as many ranks to either side as 95% need."""
    for n, ranks in ((6, (1, 6)), (9, (2, 8)), (20, (6, 15)), (100, (40, 61))):
        assert quantile_interval(np.arange(1.0, n + 1), np.arange(n), 0.5)[:2] == ranks


def test_few_samples_say_that_they_are_few():
    interval = quantile_interval(np.array([1.0, 2.0, 3.0]), np.arange(3), 0.99)
    assert interval == Interval(1.0, 3.0, interval.method) or interval.high == 3.0
    assert "too few" in interval.method


def test_clustered_quantiles_use_the_bootstrap():
    values = np.repeat(np.arange(30.0), 3)
    interval = quantile_interval(values, np.repeat(np.arange(30), 3), 0.5)
    assert interval.method == "cluster bootstrap"
    assert interval.low < quantile(values, 0.5) < interval.high


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("q", [0.5, 0.9])
def test_differences_of_quantiles_are_those_of_each_resample(q: float, size: int):
    """Repeating every sample as often as it was drawn, one resample after another."""
    rng = np.random.default_rng(14)
    first, second = rng.lognormal(size=(2, 60))
    clusters = np.arange(60) // size
    weights = bootstrap_weights(clusters, resamples=2000).astype(np.int64)
    one, other = (
        [np.quantile(np.repeat(v, w), q, method="inverted_cdf") for w in weights]
        for v in (first, second)
    )
    moved = np.subtract(other, one)
    for level in (0.9, 0.95):
        found = bootstrap_quantile_difference(first, second, clusters, q, level)
        expected = np.quantile(moved, [(1 - level) / 2, (1 + level) / 2])
        assert found[:2] == pytest.approx(tuple(expected))


def test_draws_do_not_depend_on_how_they_are_divided():
    whole = np.concatenate(list(draw_clusters(7, 100, 3)))
    rows = list(draw_clusters(7, 100, 3, width=1 << 21))
    assert {len(part) for part in rows} == {2}
    assert (np.concatenate(rows) == whole).all()


def test_quantiles_of_many_samples_take_bounded_memory():
    first, second = np.random.default_rng(15).lognormal(size=(2, 10_000))
    tracemalloc.start()
    bootstrap_quantile_difference(first, second, np.arange(10_000), 0.9)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 10_000 * 8  # one matrix of all resamples


def test_a_lone_cluster_has_no_quantile_interval():
    assert quantile_interval(np.array([1.0, 2.0]), np.array([0, 0]), 0.5) is None


def test_clip_cuts_only_where_there_is_a_limit():
    wide = Interval(-1.0, 2.0, "t")
    assert clip(wide, None, None) == wide
    assert clip(wide, 0.0, 1.0) == Interval(0.0, 1.0, "t")


def test_estimate_is_a_plain_record():
    assert Estimate(0.5, 0.1, 9, 10, 10).value == 0.5
