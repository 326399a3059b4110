"""Yes/no answers beyond the golden cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.yesno import YesNo, binary_scores, mme_label, strict_yes_no, yes_no

truths = st.sampled_from(["yes", "no"])
pairs = st.lists(st.tuples(truths, st.sampled_from(["yes", "no", None])), min_size=1)


@pytest.mark.parametrize("word", ["yes", "no"])
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_the_bare_word_is_read_by_every_rule(word: str, spell: Callable[[str], str]) -> None:
    text = f" {spell(word)}\n"
    assert yes_no(text) == strict_yes_no(text) == mme_label(text) == word


@pytest.mark.parametrize("text", ["", "maybe", "yes and no", "yesterday", "nowhere"])
def test_what_says_neither_or_both_is_not_read(text: str) -> None:
    assert yes_no(text) is None
    assert strict_yes_no(text) is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_not(text: str) -> None:
    assert {yes_no(text), strict_yes_no(text), mme_label(text)} <= {"yes", "no", None}


@given(pairs)
def test_figures_are_bounded(answers: Any) -> None:
    scores = binary_scores(answers)
    for name in ("accuracy", "precision", "recall", "f1", "yes_ratio"):
        assert 0 <= getattr(scores, name) <= 1
    assert scores.n == len(answers)
    assert binary_scores(answers, recall_over="parsed").recall >= scores.recall


@given(st.lists(truths, min_size=1).filter(lambda answers: "yes" in answers))
def test_right_answers_score_full(answers: Any) -> None:
    scores = binary_scores((answer, answer) for answer in answers)
    assert scores.accuracy == scores.precision == scores.recall == scores.f1 == 1
    assert scores.unparsed == 0


def test_unparsed_answers_to_a_true_yes() -> None:
    answers: list[tuple[YesNo, YesNo | None]] = [("yes", "yes"), ("yes", None)]
    assert binary_scores(answers).recall == 0.5
    assert binary_scores(answers, recall_over="parsed").recall == 1
    assert binary_scores(answers).unparsed == 1


def test_the_two_yes_ratios() -> None:
    scores = binary_scores([("yes", "no"), ("yes", None), ("no", "yes"), ("yes", "no")])
    assert (scores.yes_ratio, scores.true_yes_ratio) == (0.25, 0.75)


@given(pairs)
def test_figures_are_those_of_counting(answers: Any) -> None:
    """Against confusion counts taken in numpy."""
    true = np.array([answer == "yes" for answer, _ in answers])
    said = np.array([answer == "yes" for _, answer in answers])
    hits, predicted, positive = (true & said).sum(), said.sum(), true.sum()
    scores = binary_scores(answers)
    assert scores.precision == pytest.approx(hits / predicted if predicted else 0)
    assert scores.recall == pytest.approx(hits / positive if positive else 0)
    assert scores.f1 == pytest.approx(2 * hits / (predicted + positive) if hits else 0)
    assert scores.yes_ratio == pytest.approx(said.mean())
    assert scores.true_yes_ratio == pytest.approx(true.mean())


def test_no_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="no answers"):
        binary_scores([])
