"""Anytime-valid: errors hold under continuous looking, and certain cases stop early."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.sequential import BettingSequence, Look, SequentialGate, Stop


def _paired(rng: np.random.Generator, drop: float, prompts: int) -> np.ndarray:
    """Mean differences of prompts with four images; the candidate loses `drop` on average."""
    hard = rng.beta(2, 1, prompts)[:, None]
    shared = rng.random((prompts, 4))
    # Half of the images are decided alike by both models, as in real checkpoints.
    own = np.where(rng.random((prompts, 4)) < 0.5, shared, rng.random((prompts, 4)))
    first = shared < hard
    second = own < np.clip(hard - drop * 1.5, 0, 1)
    return (second.astype(float) - first).mean(1)


def _until_certain(differences: np.ndarray, margin: float) -> Look:
    gate = SequentialGate(margin)
    look = gate.look()
    for difference in differences:
        look = gate.add(float(difference))
        if look.verdict is not Stop.UNDECIDED:
            break
    return look


def _at_most(count: int, rounds: int, alpha: float) -> bool:
    """Whether a rate of errors is at most alpha, as far as so many rounds can tell."""
    return count / rounds <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / rounds)


@pytest.mark.parametrize(
    ("mean", "rounds"),
    [(0.7, 200), *(pytest.param(mean, 2000, marks=pytest.mark.slow) for mean in (0.05, 0.5, 0.7))],
)
def test_the_truth_is_rarely_excluded_at_any_time(mean: float, rounds: int):
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(rounds):
        sequence = BettingSequence(alpha=0.1)
        for value in rng.random(150) < mean:
            sequence.add(float(value))
        missed += not sequence.low <= mean <= sequence.high
    assert _at_most(missed, rounds, 0.1)


def test_peeking_at_a_fixed_test_would_err_more():
    """What the sequence guards against: t-intervals that are looked at after every sample."""
    rng = np.random.default_rng(1)
    missed, trials = 0, 200
    for _ in range(trials):
        values = (rng.random(150) < 0.7).astype(float)
        n = np.arange(1, 151)
        mean = np.cumsum(values) / n
        error = np.sqrt(np.maximum(mean * (1 - mean), 1e-9) / n)
        missed += bool((np.abs(mean - 0.7) > 1.645 * error)[20:].any())
    assert missed / trials > 0.2


ROUNDS = pytest.mark.parametrize("rounds", [60, pytest.param(2000, marks=pytest.mark.slow)])


@ROUNDS
def test_equal_models_are_rarely_called_regressed(rounds: int):
    rng = np.random.default_rng(2)
    verdicts = [_until_certain(_paired(rng, 0.0, 300), 0.1).verdict for _ in range(rounds)]
    assert _at_most(verdicts.count(Stop.REGRESSED), rounds, 0.05)
    assert verdicts.count(Stop.EQUIVALENT) / rounds >= 0.9


@ROUNDS
def test_a_drop_of_the_margin_is_rarely_cleared(rounds: int):
    rng = np.random.default_rng(3)
    differences = [_paired(rng, 0.2, 300) for _ in range(rounds)]
    margin = -float(np.mean(differences))
    verdicts = [_until_certain(d, margin).verdict for d in differences]
    assert _at_most(verdicts.count(Stop.EQUIVALENT), rounds, 0.05)


@pytest.mark.slow
def test_few_prompts_keep_the_error_rates_too():
    """Thirty prompts that mostly agree: a handful of flips decides."""
    rng, rounds, wrong = np.random.default_rng(5), 2000, 0
    for _ in range(rounds):
        lost = (rng.random((30, 4)) < 0.08).mean(1)
        wrong += _until_certain(-lost, 0.08).verdict is Stop.EQUIVALENT
    assert _at_most(wrong, rounds, 0.05)


def test_a_large_drop_stops_long_before_the_end():
    rng = np.random.default_rng(4)
    looks = [_until_certain(_paired(rng, 0.3, 553), 0.05) for _ in range(30)]
    assert all(look.verdict is Stop.REGRESSED for look in looks)
    assert np.median([look.n for look in looks]) <= 0.25 * 553


@given(st.lists(st.floats(0, 1), max_size=60))
def test_the_interval_only_shrinks(values: list[float]):
    sequence, ends = BettingSequence(), [(0.0, 1.0)]
    for value in values:
        sequence.add(value)
        ends.append((sequence.low, sequence.high))
    alive = [(low, high) for low, high in ends if low < high]
    assert all(a <= c and b >= d for (a, b), (c, d) in pairwise(alive))


@given(st.lists(st.sampled_from([-1.0, -0.25, 0.0, 0.25, 1.0]), min_size=1, max_size=40))
def test_swapping_the_models_mirrors_the_interval(differences: list[float]):
    there, back = SequentialGate(0.1), SequentialGate(0.1)
    for difference in differences:
        here, mirrored = there.add(difference), back.add(-difference)
    assert here.low == pytest.approx(-mirrored.high, abs=1e-9)
    assert here.high == pytest.approx(-mirrored.low, abs=1e-9)


def test_scores_with_another_range_are_scaled():
    small, large = SequentialGate(0.1), SequentialGate(10.0, span=100.0)
    for difference in (0.0, -0.5, -0.5, -1.0, -0.5) * 10:
        one, other = small.add(difference), large.add(100 * difference)
    assert one.verdict is other.verdict is Stop.REGRESSED
    assert other.high == pytest.approx(100 * one.high)


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"1\.5 isn't in \[0, 1\]"):
        BettingSequence().add(1.5)
    with pytest.raises(ValueError, match="larger than the range"):
        SequentialGate(0.1).add(-1.1)
    with pytest.raises(ValueError, match="isn't between 0"):
        SequentialGate(0.0)
    with pytest.raises(ValueError, match="alpha 1 isn't"):
        BettingSequence(alpha=1)
