"""MathVista: read an answer by rule, bring it into the form its type demands, compare.

The official evaluation (Lu et al., 2024; lupantech/MathVista at commit 53d5258, evaluation/) lets a
language model extract the answer from the response, then normalises and compares it by rule. The
extraction here is by rule alone, the project's own: what can't be read is None, which is unparsed.
Normalising and comparing come in two variants. `official` is the official code: an answer to a
multiple-choice question that names no option counts as the option nearest to it by edit distance,
an empty one too, and numbers are compared as strings. `corrected` has no such guess, and compares
numbers and lists by value.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tasks.scoring.choice import extract_exact, extract_strict
from tasks.scoring.edit_distance import edit_distance
from tasks.scoring.mmbench import REFUSED, MCQVerdict

__all__ = [
    "MathVistaProblem",
    "MathVistaVariant",
    "extract_answer",
    "is_equal",
    "judge_mathvista",
    "normalize_answer",
]

MathVistaVariant = Literal["corrected", "official"]


class MathVistaProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What the scoring of one MathVista problem depends on."""

    question_type: Literal["multi_choice", "free_form"]
    """Whether options are given."""
    answer_type: Literal["text", "integer", "float", "list"]
    """Form of the answer; multiple choice has mostly text, sometimes numbers."""
    answer: str
    """The right answer; for multiple choice the right option's text."""
    choices: tuple[str, ...] = ()
    """The options' texts."""
    precision: int | None = None
    """Decimal places of a float answer."""

    @property
    def options(self) -> Mapping[str, str]:
        """Option letter to text."""
        return {chr(ord("A") + i): text for i, text in enumerate(self.choices)}


_BOXED = re.compile(r"\\boxed\s?\{([^{}]*)\}")
_CUE = re.compile(r"\banswer(?:\s++is\b\s*+:?|\s*+[:=])", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
# Not a number: digits of a word (H2O), of a fraction, or behind the comma of another number.
_NUMBER = re.compile(
    r"(?=[-+]?\.?\d)(?<![\w/])(?<!\d,)[-+]?"
    r"(?:(?:\d{1,3}(?:,\d{3})++(?![\d,])|\d++)(?:\.\d++)?+|\.\d++)(?:[eE][-+]?\d++)?+(?!/)"
)
_LIST = re.compile(r"\[[^\[\]]{0,1000}\]")


def extract_answer(response: str, problem: MathVistaProblem) -> str | None:
    r"""Read the answer off a response, by rule.

    Multiple choice: `tasks.scoring.choice`'s strict rule on what follows the last "answer is" or
    stands in the last \boxed{}, then its exact matching on the whole. Numbers: the first number
    after the last such cue, else the response's last number (the prompt asks for the value at the
    end). Lists: the last bracketed list. Text: what follows the cue, else the whole.

    Args:
        response: The model's response.
        problem: The problem.

    Returns:
        An option's text, a number, a list or a text, as a string; None if nothing can be read.

    Example:
        >>> ask = MathVistaProblem(question_type="free_form", answer_type="integer", answer="14")
        >>> extract_answer("There are 3 rows, so the answer is 14 in all.", ask)
        '14'
        >>> extract_answer("I can't tell.", ask) is None
        True
    """
    text = response.strip()
    said = _after_cue(text)
    if problem.question_type == "multi_choice":
        return _extract_choice(text, said, problem.options)
    if problem.answer_type in ("integer", "float"):
        return _number(said, first=said != text) or _number(text, first=False)
    if problem.answer_type == "list":
        found = _LIST.findall(text)
        return found[-1] if found else None
    return said.rstrip(".").strip() or None


def _after_cue(text: str) -> str:
    """What the response itself marks as its answer, if it does."""
    boxed = _BOXED.findall(text)
    if boxed:
        return str(boxed[-1]).strip()
    cues = list(_CUE.finditer(text))
    return text[cues[-1].end() :].strip() if cues else text


def _extract_choice(text: str, said: str, options: Mapping[str, str]) -> str | None:
    letter = extract_strict(said, options) or extract_exact(said, options)
    if letter is None and said != text:
        letter = extract_exact(text, options)
    return None if letter in (None, REFUSED) else options[letter]


def _number(text: str, *, first: bool) -> str | None:
    found: list[str] = _NUMBER.findall(text) if _DIGIT.search(text) else []
    if not found:
        return None
    return found[0 if first else -1].replace(",", "")


def normalize_answer(
    extraction: str | None, problem: MathVistaProblem, variant: MathVistaVariant = "corrected"
) -> str | None:
    """Bring an extracted answer into the form that the problem demands.

    A letter, or a letter in parentheses, becomes the option's text; an integer is cut, a float
    rounded to the problem's precision. `official` is `normalize_extracted_answer` of
    lupantech/MathVista at commit 53d5258, but for free-form text, where that fails.

    Args:
        extraction: What was read; None if nothing was.
        problem: The problem.
        variant: Whether an answer that names no option is the nearest one (`official`) or none.

    Returns:
        The normal form, or None if there is none.

    Raises:
        ValueError: A multiple-choice problem has no options, or a float problem no precision.

    Example:
        >>> ask = MathVistaProblem(
        ...     question_type="multi_choice", answer_type="text", answer="no", choices=("yes", "no")
        ... )
        >>> normalize_answer("(B)", ask), normalize_answer("not", ask)
        ('no', None)
        >>> normalize_answer("not", ask, "official")
        'no'
    """
    if problem.question_type == "multi_choice":
        return _normal_choice(extraction, problem, variant)
    if extraction is None:
        return None
    if problem.answer_type in ("integer", "float"):
        return _normal_number(extraction, problem)
    return extraction.strip() if problem.answer_type == "text" else extraction


_LETTER = re.compile(r"\(([a-zA-Z])\)")


def _normal_choice(
    extraction: str | None, problem: MathVistaProblem, variant: MathVistaVariant
) -> str | None:
    if not problem.choices:
        raise ValueError("a multiple-choice problem needs options")
    if extraction is None and variant == "corrected":
        return None
    said = (extraction or "").strip()
    letter = _LETTER.search(said)
    chosen = problem.options.get(letter.group(1).upper() if letter else said)
    if chosen is not None:
        return chosen
    # The official code goes on with the letter alone if it isn't an option's.
    said = letter.group(1).upper() if letter else said
    return _nearest(said, problem.choices) if variant == "official" else _same(said, problem)


def _nearest(said: str, choices: Sequence[str]) -> str:
    return min(choices, key=lambda choice: edit_distance(said, choice))


def _same(said: str, problem: MathVistaProblem) -> str | None:
    folded = said.casefold()
    return next((text for text in problem.choices if text.strip().casefold() == folded), None)


def _normal_number(extraction: str, problem: MathVistaProblem) -> str | None:
    try:
        value = float(extraction)
        if problem.answer_type == "integer":
            return str(int(value))
    except (ValueError, OverflowError):
        return None
    if problem.precision is None:
        raise ValueError("a problem with a float answer needs a precision")
    return str(round(value, problem.precision))


def is_equal(
    normal: str | None, problem: MathVistaProblem, variant: MathVistaVariant = "corrected"
) -> bool:
    """Whether a normal form is the right answer.

    `official` compares strings, so that "1.2" isn't "1.20" and "[1,2]" isn't "[1, 2]";
    `corrected` compares numbers rounded to the precision, lists item by item, and text without
    case.

    Args:
        normal: What `normalize_answer` gives.
        problem: The problem.
        variant: Which rule.

    Returns:
        Whether it is right.

    Example:
        >>> ask = MathVistaProblem(
        ...     question_type="free_form", answer_type="float", answer="1.20", precision=2
        ... )
        >>> is_equal("1.2", ask), is_equal("1.2", ask, "official")
        (True, False)
    """
    if normal is None:
        return False
    if normal == problem.answer or variant == "official":
        return normal == problem.answer
    if problem.question_type == "multi_choice" or problem.answer_type == "text":
        return normal.strip().casefold() == problem.answer.strip().casefold()
    if problem.answer_type == "list":
        return _same_lists(_literal(normal), _literal(problem.answer))
    gold = _normal_number(problem.answer, problem)
    return gold is not None and float(normal) == float(gold)


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _same_lists(first: object, second: object) -> bool:
    if not isinstance(first, list) or not isinstance(second, list) or len(first) != len(second):
        return False
    return all(_same_items(a, b) for a, b in zip(first, second, strict=True))


def _same_items(first: object, second: object) -> bool:
    if isinstance(first, int | float) and isinstance(second, int | float):
        return math.isclose(first, second, rel_tol=1e-9)
    return first == second


def judge_mathvista(
    response: str, problem: MathVistaProblem, variant: MathVistaVariant = "corrected"
) -> MCQVerdict:
    """Judge a response: extract by rule, normalise, compare.

    Args:
        response: The model's response.
        problem: The problem.
        variant: How to normalise and compare.

    Returns:
        `ok` or `wrong`; `unparsed` if no answer of the demanded form can be read. (Under
        `official` what a multiple-choice response says is always near to some option, unless it
        says nothing.)

    Raises:
        ValueError: The problem lacks options or a precision that its type needs.

    Example:
        >>> ask = MathVistaProblem(
        ...     question_type="free_form", answer_type="float", answer="1.4", precision=1
        ... )
        >>> [judge_mathvista(text, ask) for text in ("It is 1.42.", "2", "no idea")]
        ['ok', 'wrong', 'unparsed']
    """
    said = extract_answer(response, problem)
    if said is None and problem.question_type == "multi_choice" and variant == "official":
        said = _after_cue(response.strip()) or None
    normal = None if said is None else normalize_answer(said, problem, variant)
    if normal is None:
        return "unparsed"
    return "ok" if is_equal(normal, problem, variant) else "wrong"
