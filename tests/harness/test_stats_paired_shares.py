"""Score intervals of paired shares: published cases, coverage with few flips, clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from harness.stats import Estimate, paired_estimate, paired_interval, paired_share_interval


def _interval(gains: int, losses: int, n: int, degrees: int = 10**9, level: float = 0.95):
    """Of independent pairs; with many degrees of freedom t is normal, as in the paper."""
    difference = (gains - losses) / n
    error = np.sqrt(((gains + losses) / n - difference**2) / n)
    estimate = Estimate(difference, float(error), degrees, n, n)
    return paired_share_interval(estimate, gains / n, losses / n, level)


def _by_grid(gains: int, losses: int, n: int) -> tuple[float, float]:
    """The same interval by brute force: every delta, its constrained likelihood maximised."""
    z, kept = norm.ppf(0.975), []
    for delta in np.linspace(-0.999, 0.999, 1999):
        shares = np.linspace(max(0, -delta), (1 - delta) / 2, 4001)[1:-1]
        with np.errstate(divide="ignore"):
            likelihood = (n - gains - losses) * np.log(1 - 2 * shares - delta)
            likelihood += gains * np.log(shares + delta) if gains else 0
            likelihood += losses * np.log(shares) if losses else 0
        share = shares[np.argmax(likelihood)]
        error = np.sqrt(n * (2 * share + delta * (1 - delta)))
        if abs(gains - losses - n * delta) <= z * error:
            kept.append(delta)
    return min(kept), max(kept)


@pytest.mark.parametrize(
    ("gains", "losses", "n"), [(12, 2, 50), (0, 0, 30), (3, 5, 44), (0, 9, 40), (1, 0, 100)]
)
def test_it_is_the_brute_force_interval(gains: int, losses: int, n: int):
    assert _interval(gains, losses, n)[:2] == pytest.approx(_by_grid(gains, losses, n), abs=2e-3)


def test_without_a_flip_it_is_wilsons():
    z2 = norm.ppf(0.975) ** 2
    assert _interval(0, 0, 30).high == pytest.approx(z2 / (30 + z2))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 60))
def test_it_contains_the_difference_and_mirrors(gains: int, losses: int, rest: int):
    n = gains + losses + rest
    if n < 2:
        return
    there, back = _interval(gains, losses, n, n - 1), _interval(losses, gains, n, n - 1)
    assert -1 <= there.low <= (gains - losses) / n <= there.high <= 1
    assert there[:2] == pytest.approx((-back.high, -back.low), abs=1e-7)


def test_with_many_flips_it_is_the_plain_interval():
    rng = np.random.default_rng(0)
    first, second = (rng.random((2, 5000)) < 0.6).astype(float)
    estimate = paired_estimate(first, second, np.arange(5000))
    plain = paired_interval(estimate)
    ours = paired_share_interval(
        estimate, float(np.mean(second > first)), float(np.mean(second < first))
    )
    assert ours[:2] == pytest.approx(plain[:2], abs=2e-4)


def test_repeating_every_sample_in_its_cluster_tells_nothing_new():
    rng = np.random.default_rng(1)
    first, second = (rng.random((2, 60)) < [[0.9], [0.8]]).astype(float)
    found = []
    for size in (1, 4):
        one, other = np.repeat(first, size), np.repeat(second, size)
        estimate = paired_estimate(one, other, np.repeat(np.arange(60), size))
        found.append(
            paired_share_interval(
                estimate, float(np.mean(other > one)), float(np.mean(other < one))
            )
        )
    assert found[0][:2] == pytest.approx(found[1][:2], rel=0.03)


def _cleared_wrongly(
    rng: np.random.Generator, prompts: int, loss: float, gain: float, correlation: float
) -> bool:
    """Whether a true drop of loss - gain is excluded; losses come together, gains alone."""
    strength = (1 - correlation) / correlation
    odds = rng.beta(loss * strength, (1 - loss) * strength, prompts)
    lost = rng.random((prompts, 4)) < odds[:, None]
    gained = ~lost & (rng.random((prompts, 4)) < gain / (1 - loss))
    moved = (gained.astype(float) - lost).ravel()
    estimate = paired_estimate(np.zeros(len(moved)), moved, np.repeat(np.arange(prompts), 4))
    shares = float(gained.mean()), float(lost.mean())
    return paired_share_interval(estimate, *shares, 0.9).low > gain - loss


RARE = [(0.02, 0.01), (0.05, 0.01), (0.1, 0.05), (0.05, 0.0)]
CASES = [(n, *rates, rho) for n in (25, 60, 150) for rates in RARE for rho in (0.5, 0.8)]


@pytest.mark.parametrize(
    ("prompts", "loss", "gain", "correlation", "rounds"),
    [
        (25, 0.05, 0.01, 0.8, 600),
        (60, 0.02, 0.01, 0.8, 600),
        *(pytest.param(*case, 3000, marks=pytest.mark.slow) for case in CASES),
    ],
)
def test_correlated_flips_are_rarely_too_sure(
    prompts: int, loss: float, gain: float, correlation: float, rounds: int
):
    """Flips of a prompt come together; a lone one must not count as 100 pairs.

    5% is asked for. What few clusters say about their own correlation is off by a little more.
    """
    rng = np.random.default_rng(3)
    wrong = sum(_cleared_wrongly(rng, prompts, loss, gain, correlation) for _ in range(rounds))
    assert wrong / rounds <= 0.08 + 2 * np.sqrt(0.08 * 0.92 / rounds)


def test_one_cluster_has_no_interval():
    assert paired_share_interval(Estimate(0.0, float("nan"), 0, 4, 1), 0.0, 0.0) is None


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 200, 1000])
@pytest.mark.parametrize(("gain", "loss"), [(0.0, 0.02), (0.01, 0.03), (0.1, 0.15), (0.05, 0.05)])
def test_coverage(n: int, gain: float, loss: float):
    rng, rounds = np.random.default_rng(2), 4000
    counts = rng.multinomial(n, [gain, loss, 1 - gain - loss], size=rounds)
    cache: dict[tuple[int, int], bool] = {}
    hits = 0
    for gains, losses, _ in counts:
        key = int(gains), int(losses)
        if key not in cache:
            low, high, _ = _interval(*key, n, n - 1)
            cache[key] = low <= gain - loss <= high
        hits += cache[key]
    # A flip or two are discrete: there it errs on the safe side.
    assert 0.93 <= hits / rounds <= (0.975 if n * (gain + loss) > 10 else 1)
