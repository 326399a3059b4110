"""MMMU's parsers beyond the golden cases: numbers, key parts, laws, totals."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.mmmu import (
    DISCIPLINES,
    extract_mmmu,
    extract_numbers,
    matches_open,
    mmmu_report,
    mmmu_subject,
    parse_multi_choice,
    parse_open,
    score_open,
)
from tests.scoring.awkward import answers, options

STATES = ["solid", "liquid", "gas", "plasma"]
numeric = st.text(alphabet="0123456789.,eE+- x/\u0663", max_size=40)


def numbers_by_backtracking(text: str) -> list[str]:
    """The three forms of numbers, tried at every place."""
    commas = r"-?\b\d{1,3}(?:,\d{3})+\b"
    scientific = r"-?\d+(?:\.\d+)?[eE][+-]?\d+"
    plain = r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"
    return [number for form in (commas, scientific, plain) for number in re.findall(form, text)]


@given(st.one_of(numeric, answers))
def test_numbers_are_those_that_backtracking_finds(text: str) -> None:
    assert extract_numbers(text) == numbers_by_backtracking(text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("12.345e5", ["12.345e5", "12", "5"]),
        ("1,234,567", ["1,234,567", "567"]),
        ("-3 and -.25", ["-3", "-.25"]),
        ("2E-3x", ["2E-3"]),
        ("5cm", []),
        ("1.5.2", ["1.5", ".2"]),
    ],
)
def test_numbers(text: str, numbers: list[str]) -> None:
    assert extract_numbers(text) == numbers


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("(B)", "B"),
        ("(A) and (C), so (B)", "B"),
        ("A B C", "C"),
        ("it is B.", "B"),
        ("A. B. are wrong", "A"),  # placed by " A ", which stands nowhere: the first one
        ("liquid", None),
        ("as far as I know, this is Liquid", "B"),
        ("first solid and then liquid and at last gas", "C"),
        ("", None),
        ("b", None),
        ("E", None),
    ],
)
def test_multiple_choice(answer: str, letter: str | None) -> None:
    assert parse_multi_choice(answer, STATES) == letter


@given(answers, options)
def test_any_answer_gives_a_letter_or_nothing(answer: str, choices: dict[str, str]) -> None:
    letter = extract_mmmu(answer, choices)
    assert letter is None or letter in choices
    assert letter == parse_multi_choice(answer, list(choices.values()))


@pytest.mark.parametrize(
    ("answer", "parsed"),
    [
        ("42", [42.0]),
        ("42.128", [42.13]),
        ("So the answer is Paris.", ["paris"]),
        ("x = 5", [5.0]),
        ("x = 5\nhence y", ["x = 5\nhence y", 5.0]),  # "=" counts on the last line only
        ("It is 3 cm\nso 4 cm", ["3 cm", "4 cm", 3.0, 4.0]),
        ("is is ", ["is"]),
        ("A", [" a", "a "]),
        ("", [""]),
        ("the value is :", ["the value is :"]),
        ("1e400", [math.inf, 400.0]),
    ],
)
def test_open_answers(answer: str, parsed: list[Any]) -> None:
    assert parse_open(answer) == parsed


@given(answers)
def test_any_answer_is_parsed(answer: str) -> None:
    parsed = parse_open(answer)
    assert parsed
    assert all(isinstance(item, str | float) for item in parsed)
    texts = [item for item in parsed if isinstance(item, str)]
    assert len(texts) == len(set(texts))


words = st.text(alphabet="bcdghjkmnp ", min_size=2, max_size=20).filter(lambda t: t.strip())


@given(words)
def test_a_plain_text_matches_itself_in_any_case(answer: str) -> None:
    assert score_open(answer, answer)
    assert score_open(f"  {answer.upper()}.", answer)


@given(st.integers(-(10**9), 10**9), st.sampled_from(["{}", "{:,}", "It is {}.", "x = {}"]))
def test_a_whole_number_matches_itself(value: int, form: str) -> None:
    assert score_open(form.format(value), str(value))


@given(st.floats(-1e6, 1e6).map(lambda value: round(value, 2)))
def test_two_decimals_count(value: float) -> None:
    assert score_open(repr(value), [repr(value)])
    assert not score_open(repr(round(value + 0.02, 2)), repr(value))


@pytest.mark.parametrize(
    ("gold", "why"),
    [
        (".5", "a leading period is removed"),
        ("what it is now", "only what follows a key word is kept"),
        ("nan", "NaN isn't equal to itself"),
    ],
)
def test_golds_that_the_original_rule_does_not_match_with_themselves(gold: str, why: str) -> None:
    assert not score_open(gold, gold), why


def test_the_pipeline_of_lmms_eval_never_matches_an_open_answer() -> None:
    assert score_open("Paris", "Paris")
    assert not score_open("Paris", "Paris", "lmms_eval")
    assert not score_open("7", ["7"], "lmms_eval")
    assert score_open("Paris", "", "lmms_eval")  # but an empty one, in any answer


@given(answers)
def test_no_accepted_answer_matches_nothing(answer: str) -> None:
    assert not matches_open(parse_open(answer), [])


@pytest.mark.parametrize(
    ("name", "subject"),
    [("dev_Art_1", "Art"), ("test_Art_Theory_12", "Art_Theory"), ("v_A_1_2", "A_1")],
)
def test_subjects(name: str, subject: str) -> None:
    assert mmmu_subject(name) == subject


@pytest.mark.parametrize("name", ["", "dev", "dev_Art", "dev__1", "dev_Art_x", "dev_1"])
def test_malformed_ids_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="isn't of the form"):
        mmmu_subject(name)


def test_thirty_subjects_in_six_disciplines() -> None:
    assert len(DISCIPLINES) == 6
    assert len({subject for subjects in DISCIPLINES.values() for subject in subjects}) == 30


def test_a_discipline_weighs_questions_not_subjects() -> None:
    report = mmmu_report([("d_Art_1", True), ("d_Art_2", True), ("d_Music_1", False)])
    assert report.per_discipline["Art and Design"].accuracy == pytest.approx(2 / 3)
    assert report.per_discipline["Science"].accuracy is None
    assert report.per_discipline["Science"].n == 0
    assert report.per_subject["Music"].accuracy == 0


@given(st.lists(st.tuples(st.sampled_from(["d_Art_1", "d_Math_2", "d_Alchemy_3"]), st.booleans())))
def test_the_overall_accuracy_is_the_share_of_right_answers(rows: list[tuple[str, bool]]) -> None:
    if not rows:
        with pytest.raises(ValueError, match="no answers"):
            mmmu_report(rows)
        return
    report = mmmu_report(rows)
    assert report.overall.n == len(rows)
    assert report.overall.accuracy == pytest.approx(sum(right for _, right in rows) / len(rows))
