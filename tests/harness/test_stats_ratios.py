"""Ratios of sums: by hand, against each other, against the bootstrap; simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import (
    Interval,
    Parts,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_ratio_difference,
    bootstrap_sums,
    bootstrap_weights,
    cluster_sums,
    estimate_mean,
    f1_interval,
    paired_estimate,
    paired_ratio_estimate,
    ratio,
    ratio_estimate,
    ratio_interval,
    sign_flip_test,
    swap_ratio_test,
)

BINARY = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40)


def _f1(called: np.ndarray, actual: np.ndarray) -> Parts:
    return Parts(2.0 * called * actual, called + actual.astype(float))


def _precision(called: np.ndarray, actual: np.ndarray) -> Parts:
    return Parts(called * actual * 1.0, called * 1.0)


def _recall(called: np.ndarray, actual: np.ndarray) -> Parts:
    return Parts(called * actual * 1.0, actual * 1.0)


RULES = {"f1": _f1, "precision": _precision, "recall": _recall}


def _answers(rng: np.random.Generator, pictures: int, level: float = 0.8, size: int = 6):
    """Yes/no questions about pictures, some of which are hard in all their questions."""
    easy = rng.beta(6 * level, 6 * (1 - level), pictures)[:, None]
    actual = np.tile(np.arange(size) % 2, (pictures, 1)).astype(float)
    right = rng.random((pictures, size)) < easy
    called = np.where(right, actual, 1 - actual)
    return called.ravel(), actual.ravel(), np.repeat(np.arange(pictures), size)


def _interval(name: str, parts: Parts, clusters: np.ndarray) -> Interval:
    found = (f1_interval if name == "f1" else ratio_interval)(parts, clusters)
    assert found is not None
    return found


def test_by_hand():
    called, actual = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    assert ratio(_precision(called, actual)) == pytest.approx(2 / 3)
    assert ratio(_recall(called, actual)) == pytest.approx(2 / 3)
    assert ratio(_f1(called, actual)) == pytest.approx(2 / 3)
    assert ratio(_f1(called[:3], actual[:3])) == pytest.approx(4 / 5)


def test_the_error_is_that_of_the_textbook():
    """Cochran 1977, equation 6.13 without the finite-population factor."""
    y, x = np.array([3.0, 5.0, 2.0, 8.0]), np.array([10.0, 12.0, 9.0, 20.0])
    r = y.sum() / x.sum()
    by_hand = np.sqrt(np.sum((y - r * x) ** 2) / 3 / 4) / x.mean()
    assert ratio_estimate(Parts(y, x), np.arange(4)).standard_error == pytest.approx(by_hand)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(1, 3))
def test_a_ratio_over_ones_is_the_mean(scores: list[float], size: int):
    values, clusters = np.array(scores), np.arange(len(scores)) // size
    ours, theirs = ratio_estimate(Parts(values, np.ones(len(values))), clusters), None
    theirs = estimate_mean(values, clusters)
    assert ours == pytest.approx(theirs, nan_ok=True)


@given(BINARY)
def test_f1_is_the_harmonic_mean(pairs: list[tuple[bool, bool]]):
    called, actual = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    precision, recall = (ratio(rule(called, actual)) for rule in (_precision, _recall))
    f1 = ratio(_f1(called, actual))
    if precision and recall:
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
    else:
        assert not f1


@given(BINARY, st.sampled_from(sorted(RULES)), st.integers(1, 4))
def test_intervals_contain_the_estimate_and_stay_inside(
    pairs: list[tuple[bool, bool]], name: str, size: int
):
    called, actual = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    parts, clusters = RULES[name](called, actual), np.arange(len(called)) // size
    value = ratio(parts)
    if value is None:
        return
    interval = (f1_interval if name == "f1" else ratio_interval)(parts, clusters)
    if interval is not None:
        assert 0 <= interval.low <= value + 1e-12
        assert value - 1e-12 <= interval.high <= 1


def test_nothing_called_is_no_precision():
    parts = _precision(np.zeros(4), np.ones(4))
    assert ratio(parts) is None
    assert bootstrap_ratio(parts, np.arange(4)) is None
    with pytest.raises(ValueError, match="sum to 0"):
        ratio_estimate(parts, np.arange(4))


def test_clusters_that_say_nothing_are_not_counted():
    called, actual = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 1.0])
    assert ratio_estimate(_precision(called, actual), np.arange(4)).clusters == 2


@pytest.mark.parametrize("name", sorted(RULES))
def test_delta_method_and_bootstrap_agree(name: str):
    rng = np.random.default_rng(3)
    for _ in range(5):
        called, actual, clusters = _answers(rng, 200)
        parts = RULES[name](called, actual)
        delta, resampled = _interval(name, parts, clusters), bootstrap_ratio(parts, clusters)
        assert delta.high - delta.low == pytest.approx(resampled.high - resampled.low, rel=0.1)


def test_delta_method_and_bootstrap_agree_on_perplexity():
    rng = np.random.default_rng(4)
    tokens = rng.integers(5, 40, 300).astype(float)
    parts = Parts(tokens * rng.gamma(4, 0.5, 300), tokens, exponential=True)
    delta, resampled = ratio_interval(parts, np.arange(300)), bootstrap_ratio(parts, np.arange(300))
    assert delta.low < np.exp(parts.numerators.sum() / tokens.sum()) < delta.high
    assert delta.high - delta.low == pytest.approx(resampled.high - resampled.low, rel=0.1)
    error = ratio_estimate(parts, np.arange(300)).standard_error
    assert 2 * 1.96 * error == pytest.approx(delta.high - delta.low, rel=0.1)


def _coverage(name: str, pictures: int, level: float, rounds: int, seed: int) -> float:
    rng, hits = np.random.default_rng(seed), 0
    called, actual, _ = _answers(rng, 200_000, level)
    truth = ratio(RULES[name](called, actual))
    for _ in range(rounds):
        called, actual, clusters = _answers(rng, pictures, level)
        interval = _interval(name, RULES[name](called, actual), clusters)
        hits += interval.low <= truth <= interval.high
    return hits / rounds


def test_coverage_is_about_nominal():
    assert 0.92 <= _coverage("f1", 60, 0.85, 400, seed=5) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("pictures", [30, 100, 500])
@pytest.mark.parametrize("level", [0.7, 0.9])
def test_coverage(name: str, pictures: int, level: float):
    assert 0.93 <= _coverage(name, pictures, level, 4000, seed=6) <= 0.97


@pytest.mark.slow
def test_ignoring_clusters_covers_too_rarely():
    """What the clusters guard against: the same questions taken as independent."""
    rng, hits, rounds = np.random.default_rng(7), 0, 1000
    called, actual, _ = _answers(rng, 200_000, 0.7)
    truth = ratio(_f1(called, actual))
    for _ in range(rounds):
        called, actual, _ = _answers(rng, 60, 0.7)
        interval = f1_interval(_f1(called, actual), np.arange(len(called)))
        hits += interval.low <= truth <= interval.high
    assert hits / rounds < 0.91


def test_rows_that_are_repeated_in_a_cluster_tell_nothing_new():
    """POPE's pooling counts a question once for each of its categories."""
    called, actual, clusters = _answers(np.random.default_rng(8), 40)
    once = f1_interval(_f1(called, actual), clusters)
    thrice = f1_interval(_f1(np.tile(called, 3), np.tile(actual, 3)), np.tile(clusters, 3))
    assert thrice[:2] == pytest.approx(once[:2])


def test_differences_over_ones_are_the_means():
    rng = np.random.default_rng(9)
    first, second = rng.random((2, 40))
    clusters, ones = np.arange(40) // 2, np.ones(40)
    ours = paired_ratio_estimate(Parts(first, ones), Parts(second, ones), clusters)
    assert ours == pytest.approx(paired_estimate(first, second, clusters))
    few = slice(0, 16)  # 8 clusters: every swap is tried by both
    one, other = Parts(first[few], ones[few]), Parts(second[few], ones[few])
    assert swap_ratio_test(one, other, clusters[few]) == pytest.approx(
        sign_flip_test(first[few], second[few], clusters[few])
    )


def test_paired_error_and_paired_bootstrap_agree():
    rng = np.random.default_rng(10)
    called, actual, clusters = _answers(rng, 200)
    worse = np.where(rng.random(len(called)) < 0.1, 1 - called, called)
    first, second = _f1(called, actual), _f1(worse, actual)
    estimate = paired_ratio_estimate(first, second, clusters)
    interval = bootstrap_ratio_difference(first, second, clusters)
    assert estimate.value == pytest.approx(ratio(second) - ratio(first))
    assert interval.low < estimate.value < interval.high < 0
    width = 2 * 1.96 * estimate.standard_error
    assert interval.high - interval.low == pytest.approx(width, rel=0.1)


def test_the_swap_test_finds_what_is_planted_and_nothing_else():
    rng = np.random.default_rng(11)
    called, actual, clusters = _answers(rng, 100)
    parts = _f1(called, actual)
    worse = _f1(np.where(rng.random(len(called)) < 0.15, 1 - called, called), actual)
    assert swap_ratio_test(parts, parts, clusters) == 1
    assert swap_ratio_test(parts, worse, clusters) < 0.01
    assert swap_ratio_test(parts, worse, clusters) == swap_ratio_test(worse, parts, clusters)


def test_the_swap_test_keeps_its_level():
    rng, hits, rounds = np.random.default_rng(12), 0, 200
    for _ in range(rounds):
        called, actual, clusters = _answers(rng, 10)
        flip = rng.random((2, len(called))) < 0.1
        sides = [_f1(np.where(f, 1 - called, called), actual) for f in flip]
        hits += swap_ratio_test(*sides, clusters) <= 0.05
    assert hits / rounds <= 0.09  # 0.05 and three standard errors


def test_perplexities_are_compared():
    rng = np.random.default_rng(13)
    tokens = rng.integers(5, 40, 200).astype(float)
    loss = tokens * rng.gamma(4, 0.5, 200)
    first = Parts(loss, tokens, exponential=True)
    second = Parts(loss * 1.1, tokens, exponential=True)
    estimate = paired_ratio_estimate(first, second, np.arange(200))
    interval = bootstrap_ratio_difference(first, second, np.arange(200))
    assert 0 < interval.low < estimate.value < interval.high
    assert interval.high - interval.low == pytest.approx(
        2 * 1.96 * estimate.standard_error, rel=0.15
    )
    assert swap_ratio_test(first, second, np.arange(200)) < 0.001


def test_sums_of_resamples_are_those_of_weights(monkeypatch: pytest.MonkeyPatch):
    values, clusters = np.random.default_rng(14).random((12, 2)), np.arange(12) // 3
    whole = bootstrap_sums(values, clusters, resamples=50)
    assert whole == pytest.approx(bootstrap_weights(clusters, resamples=50) @ values)
    monkeypatch.setattr("harness.stats.bootstrap._CELLS", 20)  # in chunks of five
    assert bootstrap_sums(values, clusters, resamples=50) == pytest.approx(whole)
    assert cluster_sums(values, clusters).sum(0) == pytest.approx(values.sum(0))


def test_means_are_resampled_as_before():
    values, clusters = np.arange(9.0), np.arange(9) // 3
    draws = bootstrap_weights(clusters)
    low, high = np.quantile(draws @ values / draws.sum(1), [0.025, 0.975])
    assert bootstrap_mean(values, clusters) == Interval(low, high, "cluster bootstrap")
