"""lmms-eval's readings of a letter, and the CHEERS wrapper's, beyond the golden cases."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.cheers_wrapper import (
    wrapper_answer,
    wrapper_first_word,
    wrapper_letter,
    wrapper_yes_no,
)
from tasks.scoring.lmms_choice import (
    ai2d_filtered,
    extract_ai2d,
    extract_letter,
    extract_scienceqa,
    extract_seedbench,
    seedbench_letter,
)
from tasks.scoring.realworldqa import judge_realworldqa
from tests.scoring.awkward import answers

PAIR = {"A": "cat", "B": "dog"}


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B it is, not A.", "B"),  # begins with it
        ("Not A but B", "B"),  # ends with it
        ("the answer is B or so", "B"),  # a phrase
        ("it says A here, so i choose C indeed", "C"),
        ("it (A) is (C) sure", "C"),  # the last one in parentheses
        ("it is B. yes", "B"),
        ("letter C: yes", "C"),
        ("letter D) yes", "D"),
        ("see C here", "C"),
        ("xAx", "A"),  # anywhere
        ("xx", None),
        ("", None),
        (" . ", None),
        ("答案是B吧", "B"),
        ("'A'", "A"),
        ("AB", "B"),  # neither begins with nor ends with a standing letter; the last one
    ],
)
def test_forms_by_their_rank(answer: str, letter: str | None) -> None:
    assert extract_letter(answer, "ABCD") == letter


@given(answers, st.sampled_from(["AB", "ABCD", "ABCDEFGH"]))
def test_a_letter_occurs_in_the_answer(answer: str, letters: str) -> None:
    letter = extract_letter(answer, letters)
    occurring = [each for each in letters if each in answer]
    assert (letter in occurring) if occurring else (letter is None)


@given(answers)
def test_outer_white_space_does_not_matter(answer: str) -> None:
    assert extract_letter(f" {answer}\n") == extract_letter(answer)
    for extract in (extract_ai2d, extract_scienceqa, extract_seedbench):
        assert extract(f"\t{answer} ", PAIR) == extract(answer, PAIR)


@pytest.mark.parametrize(
    ("answer", "ai2d", "scienceqa", "seedbench"),
    [
        ("B", "B", "B", "B"),
        ("b", "B", "B", "B"),
        ("B. dog", "B", "B", "B"),
        ("b. dog", None, None, "B"),
        ("(B)", "B", None, None),
        ("B dog", None, None, "B"),
        ("both", None, None, "B"),
        ("C", None, None, None),
        ("", None, None, None),
    ],
)
def test_three_rules_of_three_benchmarks(
    answer: str, ai2d: str | None, scienceqa: str | None, seedbench: str | None
) -> None:
    assert extract_ai2d(answer, PAIR) == ai2d
    assert extract_scienceqa(answer, PAIR) == scienceqa
    assert extract_seedbench(answer, PAIR) == seedbench


@given(answers)
def test_parts_of_the_rules(answer: str) -> None:
    assert ai2d_filtered(answer) in (answer, answer.strip()[:1])
    assert seedbench_letter(answer) == "".join(answer.split())[:1]


@given(answers)
def test_the_wrapper_takes_standing_letters_of_the_upper_cased_text(answer: str) -> None:
    for wrapper, pattern in ((wrapper_answer, r"\b[A-E]\b"), (wrapper_letter, r"\b[A-I]\b")):
        found = re.findall(pattern, answer.upper())
        if found:
            assert wrapper(answer) == found[-1]
    if not re.search(r"\b[A-I]\b", answer.upper()):
        assert wrapper_letter(answer) == ""


@given(answers)
def test_the_wrappers_phrase_is_part_of_the_answer(answer: str) -> None:
    phrase = wrapper_answer(answer)
    assert phrase in answer or phrase in "ABCDE"
    assert phrase == phrase.strip()


@pytest.mark.parametrize(
    ("answer", "said"),
    [("Yes.", "YES"), ("no, yes", "YES"), ("yes/no", "NO"), ("yesterday", ""), ("", "")],
)
def test_the_wrappers_yes_and_no(answer: str, said: str) -> None:
    assert wrapper_yes_no(answer) == said


@given(answers)
def test_the_wrappers_first_word_has_no_space(answer: str) -> None:
    word = wrapper_first_word(answer)
    assert word == next(iter(answer.split()), "")


@pytest.mark.parametrize(
    ("prediction", "answer", "verdict"),
    [
        ("B", "B", "ok"),
        ("the B one", " b ", "ok"),
        ("A", "B", "wrong"),
        ("left", "B", "unparsed"),
        ("DOWNHILL..", "Downhill", "ok"),
        ("down hill", "Downhill", "wrong"),
        ("", "Downhill", "unparsed"),
        ("...", "Downhill", "unparsed"),
        ("Red", "Red.", "wrong"),  # a period at the answer's end can't be matched
        ("E", "E", "ok"),
    ],
)
def test_realworldqa(prediction: str, answer: str, verdict: str) -> None:
    assert judge_realworldqa(prediction, answer) == verdict


open_answers = st.text(max_size=20).filter(
    lambda text: (
        text.strip() and not text.strip().endswith(".") and text.strip() not in tuple("abcd")
    )
)


@given(open_answers)
def test_realworldqa_takes_its_own_answer(answer: str) -> None:
    assert judge_realworldqa(answer, answer) == "ok"
