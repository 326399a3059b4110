"""Change points: planted ones are found where they are, and series without one stay quiet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import independent_change, paired_change, sign_flip_test


def _shares(rng: np.random.Generator, levels: list[float], clusters: int = 100, same: float = 0.7):
    """What clusters add to runs of these levels; runs decide `same` of their samples alike."""
    hard, shared = rng.random(clusters), rng.random(clusters)
    rows = []
    for level in levels:
        own = np.where(rng.random(clusters) < same, shared, rng.random(clusters))
        rows.append((own < np.clip(hard + level - 0.5, 0, 1)) / clusters)
    return np.stack(rows).astype(float)


@given(st.integers(0, 2**32 - 1))
def test_two_runs_are_the_sign_flip_test(seed: int):
    rng = np.random.default_rng(seed)
    first, second = (rng.random((2, 9)) < 0.5).astype(float)
    found = paired_change(np.stack([first, second]) / 9)
    assert found.place == 1
    assert found.p_value == pytest.approx(sign_flip_test(first, second, np.arange(9)))


@pytest.mark.parametrize("place", [1, 3, 6])
def test_a_planted_change_is_found_where_it_is(place: int):
    rng = np.random.default_rng(1)
    levels = [0.7 if i < place else 0.4 for i in range(8)]
    found = [paired_change(_shares(rng, levels)) for _ in range(20)]
    assert all(one.p_value < 0.01 for one in found)
    assert np.mean([one.place == place for one in found]) >= 0.8
    assert all(one.before > one.after for one in found)


def test_deterministic_runs_change_where_their_answers_do():
    """Equal runs before, equal runs after: every place is as significant, one is right."""
    rng = np.random.default_rng(2)
    old, new = _shares(rng, [0.7, 0.4])
    found = paired_change(np.stack([old] * 4 + [new] * 3))
    assert found.place == 4
    assert (found.before, found.after) == (pytest.approx(old.sum()), pytest.approx(new.sum()))


@pytest.mark.parametrize("clusters", [8, 100])
def test_quiet_series_stay_quiet(clusters: int):
    rng, rounds = np.random.default_rng(3), 200
    alarms = [
        paired_change(_shares(rng, [0.6] * 6, clusters), resamples=500).p_value <= 0.05
        for _ in range(rounds)
    ]
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)


def test_pairing_finds_what_independent_errors_hide():
    rng = np.random.default_rng(4)
    shares = _shares(rng, [0.62, 0.62, 0.62, 0.58, 0.58, 0.58], clusters=400, same=0.99)
    values = shares.sum(axis=1)
    errors = np.sqrt(values * (1 - values) / 400)
    assert paired_change(shares).p_value < 0.01
    assert independent_change(values, errors).p_value > 0.05


def test_runs_that_are_equal_have_not_changed():
    found = paired_change(np.tile(np.random.default_rng(5).random(20), (5, 1)))
    assert (found.p_value, found.before) == (1, pytest.approx(found.after))


def test_independent_changes_are_found_with_unequal_errors():
    rng = np.random.default_rng(6)
    errors = np.array([1.0, 0.1, 0.1, 0.5, 0.1, 0.1])
    values = np.array([5.0, 5.0, 5.0, 6.0, 6.0, 6.0]) + rng.normal(0, errors)
    found = independent_change(values, errors)
    assert found.place in (3, 4)
    assert found.p_value < 0.001
    assert found.before == pytest.approx(5, abs=0.2)


def test_independent_quiet_series_stay_quiet():
    rng, rounds = np.random.default_rng(7), 400
    errors = np.array([1.0, 0.2, 0.5, 0.1, 0.3])
    alarms = [
        independent_change(rng.normal(5, errors), errors, resamples=1000).p_value <= 0.05
        for _ in range(rounds)
    ]
    assert 0.02 <= np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)


def test_what_makes_no_series_is_refused():
    with pytest.raises(ValueError, match="two results"):
        paired_change(np.ones((1, 5)))
    with pytest.raises(ValueError, match="two results"):
        independent_change(np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="positive standard error"):
        independent_change(np.ones(3), np.array([1.0, 0.0, 1.0]))
