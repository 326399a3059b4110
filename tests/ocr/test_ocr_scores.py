"""Scores of a reading, against jiwer, rapidfuzz and counting by hand."""

from __future__ import annotations

import unicodedata

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from tasks.ocr.scores import CASES, normalise, text_scores

LATIN = st.text(st.sampled_from("abcdeABCDE 123,.!éß\n"), max_size=30)
WANTED = LATIN.filter(str.strip)
ANY = st.text(max_size=30)


@given(LATIN, WANTED, st.sampled_from(CASES))
def test_error_rates_are_jiwers_and_rapidfuzzs(read: str, wanted: str, case: str):
    scores = text_scores(read, wanted, case)
    found, asked = normalise(read, case), normalise(wanted, case)
    assert scores["cer"] == pytest.approx(jiwer.cer(asked, found))
    assert scores["ned"] == pytest.approx(Levenshtein.normalized_distance(found, asked))


@given(LATIN, WANTED, st.sampled_from(CASES))
def test_word_accuracy_is_what_counting_gives(read: str, wanted: str, case: str):
    left = normalise(read, case).split()
    asked = normalise(wanted, case).split()
    hits = 0
    for word in asked:
        if word in left:
            left.remove(word)
            hits += 1
    assert text_scores(read, wanted, case)["word_accuracy"] == pytest.approx(hits / len(asked))


@given(ANY, ANY.filter(lambda text: bool(normalise(text))), st.sampled_from(CASES))
def test_scores_agree_with_each_other(read: str, wanted: str, case: str):
    scores = text_scores(read, wanted, case)
    if scores["exact"]:
        assert scores["cer"] == scores["ned"] == 0
        assert scores["word_accuracy"] == scores["contains"] == 1
    else:
        assert scores["cer"] > 0
    assert 0 <= scores["ned"] <= 1
    assert scores["exact"] <= scores["contains"]


@given(ANY, st.sampled_from(CASES))
def test_normalising_twice_changes_nothing(text: str, case: str):
    once = normalise(text, case)
    assert normalise(once, case) == once
    assert once == once.strip()


@given(ANY)
def test_composed_and_decomposed_letters_are_equal(text: str):
    assert normalise(unicodedata.normalize("NFD", text), "exact") == normalise(text, "exact")


@pytest.mark.parametrize("case", CASES)
def test_nothing_read_is_everything_wrong(case: str):
    scores = text_scores("", "Open", case)
    assert scores == {"word_accuracy": 0, "cer": 1, "ned": 1, "exact": 0, "contains": 0}


def test_capitals_count_only_where_they_are_asked_for():
    assert text_scores("OPEN", "open")["exact"] == 1
    assert text_scores("OPEN", "open", "exact")["exact"] == 0


def test_line_breaks_are_spaces_and_punctuation_counts():
    assert text_scores("GRAND\nOPENING", "grand opening")["exact"] == 1
    assert text_scores("hello, world", "hello world")["exact"] == 0


def test_babble_is_contained_and_costs_edits():
    scores = text_scores("buy one OPEN get two", "open")
    assert scores["contains"] == scores["word_accuracy"] == 1
    assert scores["exact"] == 0
    assert scores["cer"] == 4


@pytest.mark.parametrize("wanted", ["", " \n"])
def test_a_text_of_nothing_is_refused(wanted: str):
    with pytest.raises(ValueError, match="isn't empty"):
        text_scores("a", wanted)
