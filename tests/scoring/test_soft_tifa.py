"""Soft-TIFA: against scipy's means, and guards that the original lacks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gmean

from tasks.scoring.soft_tifa import (
    Atom,
    answer_probability,
    arithmetic_mean,
    geometric_mean,
    spellings,
    summarise_soft_tifa,
)

PROBABILITIES = st.lists(st.floats(1e-6, 1), min_size=1, max_size=12)


@given(PROBABILITIES)
def test_means_are_scipys(values: list[float]):
    assert geometric_mean(values) == pytest.approx(float(gmean(values)))
    assert arithmetic_mean(values) == pytest.approx(float(np.mean(values)))


@given(PROBABILITIES)
def test_the_geometric_mean_is_the_smaller_one(values: list[float]):
    assert 0 <= geometric_mean(values) <= arithmetic_mean(values) + 1e-9 <= 1 + 1e-6


@given(PROBABILITIES, st.randoms())
def test_order_does_not_matter(values: list[float], random):  # noqa: ANN001
    shuffled = random.sample(values, len(values))
    assert geometric_mean(shuffled) == pytest.approx(geometric_mean(values))


def test_one_impossible_atom_sinks_a_prompt():
    assert geometric_mean([0.9, 0.0, 0.9]) == 0
    assert arithmetic_mean([0.9, 0.0, 0.9]) == pytest.approx(0.6)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_probability_is_refused(bad: float):
    for mean in (arithmetic_mean, geometric_mean):
        with pytest.raises(ValueError, match="isn't a probability"):
            mean([0.5, bad])


def test_a_rounded_sum_is_forgiven():
    assert arithmetic_mean([1 + 1e-9]) == 1


def test_without_atoms_there_is_no_score():
    with pytest.raises(ValueError, match="without atoms"):
        geometric_mean([])


def test_a_spelling_within_another_counts_once():
    logs = {"2": math.log(0.7), "2.": math.log(0.6), "two": math.log(0.2)}
    assert answer_probability(logs) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="isn't a probability"):
        answer_probability({"a": 0.0, "b": 0.0})


def test_without_spellings_there_is_no_probability():
    with pytest.raises(ValueError, match="no spelling"):
        answer_probability({})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("two", ("two", "Two", "2", " two", " Two", " 2")),
        (" Yes", ("Yes", "yes", " Yes", " yes")),
        ("7", ("7", " 7")),
        ("NO", ("NO", "no", "No", " NO", " no", " No")),
        ("Ten", ("Ten", "ten", "10", " Ten", " ten", " 10")),
        ("eleven", ("eleven", "Eleven", " eleven", " Eleven")),
    ],
)
def test_how_an_answer_is_spelled(answer: str, expected: tuple[str, ...]):
    assert spellings(answer) == expected


def test_an_empty_answer_is_refused():
    with pytest.raises(ValueError, match="empty"):
        spellings("  ")


def test_a_summary_by_skill_and_prompt():
    prompts = [
        [Atom(skill="object", probability=1.0), Atom(skill="count", probability=0.25)],
        [Atom(skill="object", probability=0.5)],
    ]
    summary = summarise_soft_tifa(prompts)
    assert summary.am == pytest.approx((0.625 + 0.5) / 2)
    assert summary.gm == pytest.approx((0.5 + 0.5) / 2)
    assert summary.skills == {"count": 0.25, "object": 0.75}
