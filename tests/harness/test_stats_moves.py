"""Moves in steps: they add up, soft scores are counted in full steps, power is that of the test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.stats import (
    Moves,
    PlainError,
    measure_moves,
    minimum_detectable_difference,
    paired_estimate,
    paired_interval,
    paired_share_interval,
)
from harness.stats.moves import _power

STEPS = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.0, 0.0, 0.5, 1.0]), min_size=3, max_size=40)


def _alone(moves: list[float] | np.ndarray, step: float = 1.0) -> Moves:
    values = np.asarray(moves, dtype=np.float64)
    return measure_moves(values, step, np.arange(len(values)))


@given(STEPS)
def test_moves_add_up(moves: list[float]):
    found = _alone(moves)
    assert found.gained - found.lost == pytest.approx(np.mean(moves))
    assert found.gained + found.lost == pytest.approx(np.mean(np.abs(moves)))
    assert found.squares == pytest.approx(np.mean(np.square(moves)))


@given(STEPS)
def test_the_interval_holds_the_mean_and_mirrors(moves: list[float]):
    there, back = _alone(moves).interval(0.9), _alone([-m for m in moves]).interval(0.9)
    assert there.low - 1e-9 <= np.mean(moves) <= there.high + 1e-9
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-6)


@given(STEPS, st.floats(0.1, 50))
def test_another_unit_changes_nothing_else(moves: list[float], step: float):
    one, other = _alone(moves), _alone([m * step for m in moves], step)
    assert other.interval().low == pytest.approx(step * one.interval().low, abs=1e-6 * step)
    assert other.error_at(0.1 * step) == pytest.approx(step * one.error_at(0.1))


def test_rights_and_wrongs_have_the_interval_of_paired_shares():
    rng = np.random.default_rng(0)
    first, second = (rng.random((2, 300)) < [[0.8], [0.75]]).astype(float)
    estimate = paired_estimate(first, second, np.arange(300))
    shares = float(np.mean(second > first)), float(np.mean(second < first))
    assert _alone(second - first).interval() == paired_share_interval(estimate, *shares)


def test_many_small_moves_have_the_plain_interval():
    rng = np.random.default_rng(1)
    first = rng.beta(4, 2, 2000)
    second = np.clip(first + rng.normal(0, 0.15, 2000), 0, 1)
    plain = paired_interval(paired_estimate(first, second, np.arange(2000)))
    assert _alone(second - first).interval()[:2] == pytest.approx(plain[:2], abs=3e-4)


def test_a_few_small_moves_might_have_been_whole_ones():
    """Three scores fell by a tenth; that a hundred others keep whole is not known so well."""
    small = np.zeros(100)
    small[:3] = -0.1
    plain = paired_interval(paired_estimate(small * 0, small, np.arange(100)))
    assert _alone(small).interval().low < 4 * plain.low


def test_clusters_count_less_than_samples():
    rng = np.random.default_rng(2)
    moves = np.repeat(rng.choice([-1.0, 0.0, 1.0], 200, p=[0.1, 0.85, 0.05]), 4)
    apart = measure_moves(moves, 1.0, np.arange(800))
    together = measure_moves(moves, 1.0, np.arange(800) // 4)
    assert together.size < 0.4 * apart.size
    assert together.detectable(0.05) > 1.5 * apart.detectable(0.05)


@pytest.mark.parametrize(
    ("gain", "loss", "size"), [(0.02, 0.08, 100), (0.1, 0.15, 60), (0, 0.1, 50)]
)
def test_power_is_that_of_mcnemars_exact_test(gain: float, loss: float, size: int):
    rng, rounds = np.random.default_rng(3), 3000
    counts = rng.multinomial(size, [gain, loss, 1 - gain - loss], rounds)
    found = sum(
        losses > gains and binomtest(int(losses), int(gains + losses)).pvalue < 0.05
        for gains, losses, _ in counts
    )
    assert _power(gain, loss, size, 0.05) == pytest.approx(found / rounds, abs=0.03)


def test_what_is_detectable_shrinks_with_samples_and_grows_with_tests():
    rng = np.random.default_rng(4)
    churn = [0.05, 0.9, 0.05]
    few, many = (_alone(rng.choice([-1.0, 0.0, 1.0], n, p=churn)) for n in (200, 2000))
    assert many.detectable(0.05) < few.detectable(0.05) / 2
    assert few.detectable(0.05) < few.detectable(0.05 / 8)
    assert few.detectable(0.05, power=0.5) < few.detectable(0.05, power=0.9)


def test_without_a_flip_a_drop_is_detectable_all_the_same():
    """Of 100 samples six that fall and none that rises are significant."""
    assert 0.06 < _alone(np.zeros(100)).detectable(0.05) < 0.12


def test_five_samples_detect_nothing():
    assert _alone(np.zeros(5)).detectable(0.05) is None
    assert _alone([0.0]).detectable(0.05) is None
    assert _alone([0.0]).interval() is None


def test_a_drop_makes_its_own_spread():
    found = _alone(np.zeros(100))
    assert found.error_at(0.0) == 0
    assert found.error_at(0.1) == pytest.approx((0.1 * 0.9 / 100) ** 0.5)


def test_moves_beyond_the_step_are_refused():
    with pytest.raises(ValueError, match=r"moved by 2\.0, more than 1"):
        _alone([2.0, 0.0])
    with pytest.raises(ValueError, match="leaves nothing to compare"):
        _alone([0.0], 0.0)


def test_without_bounds_it_is_the_t_test():
    known = PlainError(0.01, 99)
    assert known.error_at(0.5) == 0.01
    assert known.detectable(0.05) == minimum_detectable_difference(0.01, 99)
