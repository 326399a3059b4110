"""MathVista by rule: against a plain rewriting of the official normalisation, and by hand."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.mathvista import (
    MathVistaProblem,
    extract_answer,
    is_equal,
    judge_mathvista,
    normalize_answer,
)
from tests.scoring.awkward import AWKWARD, answers


def free(answer_type: Any, answer: str, precision: int | None = None) -> MathVistaProblem:
    return MathVistaProblem(
        question_type="free_form", answer_type=answer_type, answer=answer, precision=precision
    )


def multi(answer: str, *choices: str) -> MathVistaProblem:
    return MathVistaProblem(
        question_type="multi_choice", answer_type="text", answer=answer, choices=choices
    )


PETS = multi("dog", "cat", "dog", "rabbit")
COUNT = free("integer", "14")
PRICE = free("float", "1.45", 2)
YEARS = free("list", "[2007, 2008]")
PROBLEMS = (PETS, COUNT, PRICE, YEARS, free("text", "a square"))


def table_distance(first: str, second: str) -> int:
    """Levenshtein's distance by the whole table."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        above, row = row, [i]
        for j, b in enumerate(second, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]


def official(extraction: str, problem: MathVistaProblem) -> str | None:
    """The published rule, written down once more."""
    if problem.question_type == "multi_choice":
        said = extraction.strip()
        for place, letter in enumerate(said):
            framed = said[place - 1 : place] == "(" and said[place + 1 : place + 2] == ")"
            if letter in string.ascii_letters and framed:
                said = letter.upper()
                break
        letters = list(string.ascii_uppercase[: len(problem.choices)])
        if said in letters:
            return problem.choices[letters.index(said)]
        distances = [table_distance(said, choice) for choice in problem.choices]
        return problem.choices[distances.index(min(distances))]
    try:
        if problem.answer_type == "integer":
            return str(int(float(extraction)))
        if problem.answer_type == "float":
            return str(round(float(extraction), problem.precision or 0))
    except (ValueError, OverflowError):
        return None
    return extraction


extractions = st.one_of(
    answers,
    st.sampled_from(["(b)", "B", "d", "dig", "14.9", "1.449", "[2007, 2008]", "", "(z) cat"]),
)


@given(extractions, st.sampled_from([PETS, COUNT, PRICE, YEARS]))
def test_the_official_normal_form(extraction: str, problem: MathVistaProblem) -> None:
    normal = normalize_answer(extraction, problem, "official")
    assert normal == official(extraction, problem)
    assert is_equal(normal, problem, "official") == (normal == problem.answer)


@given(extractions, st.sampled_from([PETS, COUNT, PRICE, YEARS]))
def test_what_the_corrected_variant_reads_the_official_one_reads_alike(
    extraction: str, problem: MathVistaProblem
) -> None:
    corrected = normalize_answer(extraction, problem)
    assert corrected is None or corrected == normalize_answer(extraction, problem, "official")


@given(answers)
@pytest.mark.parametrize("variant", ["corrected", "official"])
def test_any_response_has_a_verdict(variant: Any, response: str) -> None:
    for problem in PROBLEMS:
        assert judge_mathvista(response, problem, variant) in ("ok", "wrong", "unparsed")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.answer)
@pytest.mark.parametrize(
    "form",
    ["{}", " {}\n", "The answer is {}.", "First 3, then 4. Answer: {}", "So \\boxed{{{}}}."],
)
@pytest.mark.parametrize("variant", ["corrected", "official"])
def test_the_right_answer_is_ok_in_any_form(
    problem: MathVistaProblem, form: str, variant: Any
) -> None:
    assert judge_mathvista(form.format(problem.answer), problem, variant) == "ok"


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.answer)
@pytest.mark.parametrize("response", ["", " \n", "."])
@pytest.mark.parametrize("variant", ["corrected", "official"])
def test_nothing_said_is_unparsed(problem: MathVistaProblem, response: str, variant: Any) -> None:
    if variant == "official" and response == "." and problem is PETS:
        assert judge_mathvista(response, problem, variant) == "wrong"  # nearest to "cat"
        return
    assert judge_mathvista(response, problem, variant) == "unparsed"


@pytest.mark.parametrize(
    ("response", "extraction"),
    [
        ("14", "14"),
        ("There are 3 rows of 5", "5"),
        ("The answer is 14, since 2 x 7 = 14 and 15 is odd", "14"),
        ("answer: -3", "-3"),
        ("$1,234.50", "1234.50"),
        ("3/11", None),
        ("H2O", None),
        ("10-5", "5"),
        ("1e3", "1e3"),
        ("x=.5", ".5"),
        ("The answer is unknown. 7", "7"),
        ("none", None),
        ("1,2,3", "1"),
        ("3 apples\nAnswer:\n 5", "5"),
    ],
)
def test_numbers_are_read(response: str, extraction: str | None) -> None:
    assert extract_answer(response, COUNT) == extraction


@pytest.mark.parametrize(
    ("response", "choice"),
    [
        ("B", "dog"),
        ("(B) dog", "dog"),
        ("It must be the dog", "dog"),
        ("Not (A). The answer is (B).", "dog"),
        ("\\boxed{C}", "rabbit"),
        ("cat or dog", None),
        ("neither", None),
        ("I can't process this file.", None),
    ],
)
def test_choices_are_read(response: str, choice: str | None) -> None:
    assert extract_answer(response, PETS) == choice


def test_lists_are_read() -> None:
    assert extract_answer("Between [1, 2] and [2007,2008]", YEARS) == "[2007,2008]"
    assert extract_answer("2007 and 2008", YEARS) is None
    assert judge_mathvista("It's [2007,2008]", YEARS) == "ok"
    assert judge_mathvista("It's [2007,2008]", YEARS, "official") == "wrong"
    assert judge_mathvista("It's [2007.0, 2008]", YEARS) == "ok"
    assert judge_mathvista("It's [2007]", YEARS) == "wrong"
    assert judge_mathvista("It's [x", YEARS) == "unparsed"
    assert judge_mathvista("It's [x]", YEARS) == "wrong"


def test_the_nearest_option_is_a_guess() -> None:
    assert judge_mathvista("a dig", PETS, "official") == "ok"
    assert judge_mathvista("a dig", PETS) == "unparsed"


@pytest.mark.parametrize(
    ("said", "gold", "precision", "corrected", "as_published"),
    [
        ("1.2", "1.20", 2, True, False),
        ("1.204", "1.2", 1, True, True),
        ("1.26", "1.2", 1, False, False),
        ("1e0", "1.0", 1, True, True),
    ],
)
def test_floats(said: str, gold: str, precision: int, corrected: bool, as_published: bool) -> None:
    problem = free("float", gold, precision)
    assert (judge_mathvista(said, problem) == "ok") is corrected
    assert (judge_mathvista(said, problem, "official") == "ok") is as_published


def test_integers_are_cut() -> None:
    assert judge_mathvista("14.9", COUNT) == "ok"
    assert judge_mathvista("1e999", COUNT) == "unparsed"


def test_text_is_compared_without_case_only_if_corrected() -> None:
    problem = free("text", "A Square")
    assert judge_mathvista("a square.", problem) == "ok"
    assert judge_mathvista("a square.", problem, "official") == "wrong"


def test_problems_that_lack_what_they_need_are_refused() -> None:
    with pytest.raises(ValueError, match="needs options"):
        judge_mathvista("x", multi("x"), "official")
    with pytest.raises(ValueError, match="needs a precision"):
        judge_mathvista("1.5", free("float", "1.5"))


@pytest.mark.parametrize("response", AWKWARD)
def test_awkward_responses_are_judged(response: str) -> None:
    for problem in PROBLEMS:
        assert judge_mathvista(response, problem) in ("ok", "wrong", "unparsed")
