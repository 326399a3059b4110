"""Text measures, against a table of edits, rapidfuzz and jiwer, and their laws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from tasks.scoring.edit_distance import edit_distance
from tasks.scoring.ocr import (
    OCRBENCH_CATEGORIES,
    ANLSVariant,
    OCRBenchVariant,
    anls,
    anls_distances,
    character_error_rate,
    exact_match,
    normalized_edit_distance,
    ocrbench_correct,
    ocrbench_report,
    word_accuracy,
    word_error_rate,
)

letters = st.text(alphabet="abAB é中\n", max_size=80)
words = st.lists(st.sampled_from(["stop", "Stop", "go", "42", "é"]), max_size=12)
some_words = words.filter(bool)


def table_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """The distance by the whole table of Wagner and Fischer (1974), in numpy."""
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    table[:, 0], table[0, :] = np.arange(len(first) + 1), np.arange(len(second) + 1)
    for i, a in enumerate(first, 1):
        for j, b in enumerate(second, 1):
            replaced = table[i - 1, j - 1] + (a != b)
            table[i, j] = min(replaced, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return int(table[-1, -1])


short = st.text(alphabet="abAB é中\n\ud800", max_size=12)


@given(short, short)
def test_edit_distance_is_the_table_s(first: str, second: str) -> None:
    assert edit_distance(first, second) == table_distance(first, second)


@given(words, words)
def test_edit_distance_of_words_is_the_table_s(first: list[str], second: list[str]) -> None:
    assert edit_distance(first, second) == table_distance(first, second)


@given(short, short, st.integers(0, 12))
def test_counting_may_stop_early(first: str, second: str, at_most: int) -> None:
    distance = table_distance(first, second)
    assert edit_distance(first, second, at_most=at_most) == min(distance, at_most + 1)


@given(short.filter(bool), short)
def test_error_rates_are_the_table_s(reference: str, prediction: str) -> None:
    edits = table_distance(prediction, reference)
    assert character_error_rate(prediction, reference) == edits / len(reference)
    longest = max(len(prediction), len(reference))
    assert normalized_edit_distance(prediction, reference) == edits / longest


@given(letters, letters, letters)
def test_edit_distance_is_a_metric(a: str, b: str, c: str) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


@given(letters, letters)
def test_normalized_edit_distance_is_rapidfuzz_s(first: str, second: str) -> None:
    expected = Levenshtein.normalized_distance(first, second)
    assert normalized_edit_distance(first, second) == pytest.approx(expected)


@given(some_words, words)
def test_word_error_rate_is_jiwer_s(reference: list[str], prediction: Any) -> None:
    truth, read = " ".join(reference), " ".join(prediction)
    assert word_error_rate(read, truth) == pytest.approx(jiwer.wer(truth, read))


@given(some_words, words)
def test_character_error_rate_is_jiwer_s(reference: list[str], prediction: Any) -> None:
    truth, read = " ".join(reference), " ".join(prediction)
    assert character_error_rate(read, truth) == pytest.approx(jiwer.cer(truth, read))


@given(st.text(alphabet="abc é中Z", min_size=1).filter(str.strip))
def test_reading_the_gold_text_scores_full(gold: str) -> None:
    assert exact_match(gold, [gold])
    assert character_error_rate(gold, gold) == 0
    assert word_error_rate(gold, gold) == 0
    assert word_accuracy(gold, gold) == 1
    assert normalized_edit_distance(gold, gold) == 0
    assert anls(gold, [gold]) == 1
    assert anls(gold, [gold]) == 1


@given(st.text(max_size=30), st.sampled_from(OCRBENCH_CATEGORIES))
@pytest.mark.parametrize("variant", ["vlmevalkit", "lmms_eval"])
def test_the_gold_text_is_contained_in_itself(
    variant: OCRBenchVariant, gold: str, category: str
) -> None:
    assert ocrbench_correct(gold, ["something else", gold], category, variant)


@given(st.lists(st.sampled_from(["Stop", "go", "42"]), min_size=1), st.sampled_from(" \n\t"))
def test_case_and_spacing_do_not_matter(items: list[str], space: str) -> None:
    gold = " ".join(items)
    read = f"{space}{(space * 2).join(items).swapcase()}{space}"
    assert exact_match(read, [gold])
    assert word_accuracy(read, gold) == 1
    assert anls(read, [gold]) == 1


def test_case_counts_in_formulas_only() -> None:
    formulas = "Handwritten Mathematical Expression Recognition"
    assert not ocrbench_correct("X ^ 2", ["x^2"], formulas)
    assert ocrbench_correct("x ^ 2", ["x^2"], formulas)
    assert ocrbench_correct("X^2", ["x^2"], "Scene Text-centric VQA")
    assert not ocrbench_correct("x ^ 2", ["x^2"], "Scene Text-centric VQA")


def test_only_lmms_eval_folds_full_width() -> None:
    ask = ("\uff33\uff34\uff2f\uff30", ["stop"], "Digit String Recognition")
    assert ocrbench_correct(*ask, "lmms_eval")
    assert not ocrbench_correct(*ask, "vlmevalkit")


@given(some_words, words)
def test_word_accuracy_is_bounded_and_ignores_order(reference: list[str], prediction: Any) -> None:
    score = word_accuracy(" ".join(prediction), " ".join(reference))
    assert 0 <= score <= 1
    assert score == word_accuracy(" ".join(reversed(prediction)), " ".join(reference))


def test_a_word_read_once_is_not_two_words() -> None:
    assert word_accuracy("go", "go go") == 0.5
    assert word_accuracy("go go go", "go go") == 1


@given(letters, st.lists(letters, min_size=1, max_size=4))
def test_anls_is_zero_or_at_least_the_threshold(prediction: Any, answers: list[str]) -> None:
    score = anls(prediction, answers)
    assert score == 0 or 0.5 <= score <= 1
    best = min(anls_distances(prediction, answers))
    assert anls(prediction, answers, threshold=0) == pytest.approx(1 - best)


@given(
    st.text(alphabet="ab é\n", max_size=20),
    st.lists(st.text(alphabet="ab ß\n", max_size=20), min_size=1, max_size=4),
    st.sampled_from([0, 0.3, 0.5, 0.8, 1, 1.5]),
    st.sampled_from(["corrected", "legacy"]),
)
def test_stopping_early_does_not_change_anls(
    prediction: str, answers: list[str], threshold: float, variant: ANLSVariant
) -> None:
    similarity = 1 - min(anls_distances(prediction, answers, variant=variant))
    expected = similarity if similarity >= threshold else 0.0
    assert anls(prediction, answers, threshold=threshold, variant=variant) == expected


@given(short, short)
def test_anls_distances_are_the_table_s(prediction: str, answer: str) -> None:
    text, gold = (" ".join(item.lower().split()) for item in (prediction, answer))
    edits = table_distance(text, gold)
    (corrected,) = anls_distances(prediction, [answer])
    (legacy,) = anls_distances(prediction, [answer], variant="legacy")
    assert corrected == (edits / max(len(text), len(gold)) if text or gold else 0)
    longest = max(len(prediction.upper()), len(answer.upper()))
    assert legacy == (edits / longest if longest else 0)
    assert legacy <= corrected or text.upper() != text


def test_legacy_formulas_with_a_capital_are_always_wrong() -> None:
    formulas = "Handwritten Mathematical Expression Recognition"
    assert ocrbench_correct("X^2", ["X^2"], formulas, "lmms_eval")
    assert not ocrbench_correct("X^2", ["X^2"], formulas, "lmms_eval_legacy")
    assert ocrbench_correct("X^2", ["x^2"], formulas, "lmms_eval_legacy")
    assert not ocrbench_correct("\uff21", ["a"], "Doc-oriented VQA", "lmms_eval_legacy")


def test_legacy_lengths_reward_outer_spaces_and_corrected_ones_do_not() -> None:
    assert anls("stoo", ["stop"]) == anls("stoo", ["stop"], variant="legacy") == 0.75
    assert anls("stoo    ", ["stop"], variant="legacy") == 0.875
    assert anls("stoo    ", ["stop"]) == 0.75


@pytest.mark.parametrize("rate", [character_error_rate, word_error_rate, word_accuracy])
def test_rates_need_a_reference(rate: Callable[[str, str], float]) -> None:
    with pytest.raises(ValueError, match="reference that isn't empty"):
        rate("read", "")


def test_rates_may_exceed_one() -> None:
    assert character_error_rate("abc", "x") == 3


def test_unknown_names_and_missing_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown OCRBench category 'Poetry'"):
        ocrbench_report([("Poetry", "x", ["x"])])
    with pytest.raises(ValueError, match="unknown OCRBench variant 'mine'"):
        ocrbench_correct("x", ["x"], "Digit String Recognition", "mine")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="give a list"):
        ocrbench_correct("x", "x", "Digit String Recognition")
    with pytest.raises(ValueError, match="at least one accepted answer"):
        anls("x", [])


def test_reports_do_not_add_up_from_one_to_the_next() -> None:
    rows = [("Digit String Recognition", "42", ["42"])]
    assert ocrbench_report(rows).final_score == ocrbench_report(rows).final_score == 1


def test_a_report_has_all_categories() -> None:
    report = ocrbench_report([(name, "x", ["x"]) for name in OCRBENCH_CATEGORIES])
    assert report.n == report.final_score == 10
    assert report.text_recognition == 6
