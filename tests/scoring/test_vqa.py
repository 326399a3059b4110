"""Short answers beyond the golden cases."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.scoring.vqa import (
    VQAVariant,
    extract_closed,
    judge_closed,
    match_ignoring_case,
    match_ignoring_case_and_punctuation,
    parse_answer_cell,
    process_punctuation,
    relaxed_accuracy,
    relaxed_match,
    vqa_accuracy,
    vqa_matches,
    vqa_normalize,
)

EASY_VQA = (
    "circle", "rectangle", "triangle", "yes", "no", "black", "blue", "brown", "gray", "green",
    "red", "teal", "yellow",
)  # fmt: skip
VARIANTS = ("vlmevalkit", "lmms_eval")


@pytest.mark.parametrize("variant", VARIANTS)
@given(answer=st.text(max_size=40))
def test_a_unanimous_answer_scores_full(variant: VQAVariant, answer: str) -> None:
    assert vqa_accuracy(answer, [answer] * 4, variant) == pytest.approx(1)


@pytest.mark.parametrize("variant", VARIANTS)
@given(st.lists(st.sampled_from(["cat", "The cat.", "dog", "2", "two"]), min_size=1, max_size=10))
def test_scores_are_bounded_and_do_not_depend_on_the_annotators_order(
    variant: VQAVariant, answers: list[str]
) -> None:
    score = vqa_accuracy("cat", answers, variant)
    assert 0 <= score <= 1
    assert score == pytest.approx(vqa_accuracy("cat", answers[::-1], variant))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The Cat", "cat"),
        ("TEN dogs", "10 dogs"),
        ("none", "0"),
        ("hes", "he's"),
        ("wouldntve", "wouldntve"),
        ("somebody'd", "somebodyd"),
        ("an a the", ""),
        ("10 000", "10 000"),
        ("yes!", "yes"),
        ("left\tright\nup", "left right up"),
    ],
)
def test_normal_forms(variant: VQAVariant, text: str, normal: str) -> None:
    assert vqa_normalize(text, variant) == normal


def test_where_the_two_originals_differ() -> None:
    assert vqa_normalize("3.") == "3."
    assert vqa_normalize("3.", "lmms_eval") == "3"
    assert vqa_normalize("10,5") == "105"
    assert vqa_normalize("a,b") == "b"
    assert vqa_normalize("a,b", "lmms_eval") == "ab"


def test_only_32_periods_are_removed() -> None:
    assert process_punctuation("a." * 40) == "a" * 32 + "a." * 8


def test_a_lone_answer_has_no_others_to_match() -> None:
    assert vqa_matches("cat", ["cat"]) == [0.0]
    with pytest.raises(ValueError, match="at least one answer"):
        vqa_accuracy("cat", [])


@given(st.text(max_size=40))
def test_a_cell_that_is_no_list_is_one_answer(text: str) -> None:
    assume(not text.strip().startswith("["))
    assert parse_answer_cell(text) == [text]


@given(st.lists(st.text(max_size=20), max_size=5))
def test_a_list_in_a_cell_is_read(answers: list[str]) -> None:
    assert parse_answer_cell(repr(answers)) == answers


def test_unknown_escapes_in_a_cell_stay() -> None:
    assert parse_answer_cell(r"['a\d']") == [r"a\d"]


@pytest.mark.parametrize("cell", ["[__import__('os')]", "[1", "[x]", "(1, 2)", "{'a': 1}", "\x00"])
def test_nothing_in_a_cell_is_executed(cell: str) -> None:
    assert parse_answer_cell(cell) == [cell]


@given(st.text(max_size=20))
def test_an_equal_answer_is_relaxed_right_but_for_nan(text: str) -> None:
    assume("nan" not in text.lower())
    assume("inf" not in text.lower())
    assert relaxed_match(text, text)


@given(st.floats(1e-3, 1e6), st.floats(-0.049, 0.049))
def test_within_five_percent(target: Any, change: float) -> None:
    assert relaxed_match(repr(target * (1 + change)), repr(target))
    assert not relaxed_match(repr(target * 1.06), repr(target))
    assert not relaxed_match(repr(target * 0.94), repr(target))


@pytest.mark.parametrize(
    ("prediction", "target", "right"),
    [
        ("0", "0", True),
        ("0.0", "0", False),
        ("0.01", "0", False),
        ("34%", "0.34", True),
        ("34", "34%", False),
        ("-95", "-100", True),
        ("95", "-100", False),
        ("YES", "yes", True),
        ("nan", "nan", False),
        ("abc", "5", False),
    ],
)
def test_relaxed_corner_cases(prediction: str, target: Any, right: bool) -> None:
    assert relaxed_match(prediction, target) is right


def test_five_percent_of_what() -> None:
    assert not relaxed_match("105.2", "100")
    assert relaxed_match("105.2", "100", variant="legacy")
    assert not relaxed_match("95.1", "100", variant="legacy")


def test_relaxed_accuracy_takes_the_best_answer_and_strips() -> None:
    assert relaxed_accuracy(" 104\n", ["7", "100"]) == 1
    assert relaxed_accuracy("104", ["7"]) == 0
    assert relaxed_accuracy("105.2", ["100"], "legacy") == 1
    assert relaxed_accuracy("105.2", ["100"]) == 0
    with pytest.raises(ValueError, match="at least one accepted answer"):
        relaxed_accuracy("1", [])


@given(st.floats(1, 100), st.floats(1, 100))
def test_legacy_is_corrected_with_the_sides_exchanged(first: Any, second: Any) -> None:
    legacy = relaxed_match(repr(first), repr(second), variant="legacy")
    assert legacy == relaxed_match(repr(second), repr(first))


@given(st.text(max_size=20), st.sampled_from(" \t\n"))
def test_exact_matches_ignore_what_they_say(text: str, space: str) -> None:
    assert match_ignoring_case(space + text + space, text)
    assert match_ignoring_case_and_punctuation(f"'{text}'!", text)


@given(st.sampled_from(EASY_VQA), st.sampled_from(["{}", " {}.", "It is {}!", "**{}**", "\n{}\n"]))
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_naming_the_answer_scores(spell: Callable[[str], str], answer: str, form: str) -> None:
    assert judge_closed(form.format(spell(answer)), answer, EASY_VQA) == "ok"


@given(st.text(max_size=40), st.randoms(use_true_random=False))
def test_the_vocabulary_s_order_does_not_matter(text: str, random: Random) -> None:
    shuffled = random.sample(EASY_VQA, len(EASY_VQA))
    assert extract_closed(text, shuffled) == extract_closed(text, EASY_VQA)


@pytest.mark.parametrize("text", ["", "spider", "red or blue", "reddish", "nothing", "yellowish"])
def test_what_names_no_single_entry_is_unparsed(text: str) -> None:
    assert judge_closed(text, "red", EASY_VQA) == "unparsed"


def test_the_whole_answer_comes_before_its_parts() -> None:
    vocabulary = ("light blue", "blue")
    assert extract_closed("light blue", vocabulary) == "light blue"
    assert extract_closed("blue", vocabulary) == "blue"
    assert extract_closed("it is light blue", vocabulary) is None


def test_bad_vocabularies_are_refused() -> None:
    with pytest.raises(ValueError, match="different words"):
        extract_closed("x", ("Red", "red!"))
    with pytest.raises(ValueError, match="different words"):
        extract_closed("x", ("red", "?"))
    with pytest.raises(ValueError, match="answer 'cyan' isn't in the vocabulary"):
        judge_closed("cyan", "cyan", EASY_VQA)
