"""MMMU: reading letters, texts and numbers off answers, and accuracy by discipline.

The rules are MMMU's own (Yue et al., 2024) as EvolvingLMMs-Lab/lmms-eval has them at commit 75571cf
(tasks/mmmu/utils.py, tasks/_task_utils/mmmu_mcq_utils.py), but for two things: an answer that can't
be read is unparsed instead of a random option, and open answers are compared with the whole of what
was read (`corrected`), not with the characters of its first item (`lmms_eval`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

__all__ = [
    "DISCIPLINES",
    "MMMUReport",
    "MMMUScore",
    "OpenVariant",
    "extract_mmmu",
    "extract_numbers",
    "matches_open",
    "mmmu_report",
    "mmmu_subject",
    "parse_multi_choice",
    "parse_open",
    "score_open",
]

OpenVariant = Literal["corrected", "lmms_eval"]

DISCIPLINES: Mapping[str, tuple[str, ...]] = {
    "Art and Design": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Health and Medicine": (
        "Basic_Medical_Science",
        "Clinical_Medicine",
        "Diagnostics_and_Laboratory_Medicine",
        "Pharmacy",
        "Public_Health",
    ),
    "Humanities and Social Science": ("History", "Literature", "Sociology", "Psychology"),
    "Tech and Engineering": (
        "Agriculture",
        "Architecture_and_Engineering",
        "Computer_Science",
        "Electronics",
        "Energy_and_Power",
        "Materials",
        "Mechanical_Engineering",
    ),
}
"""MMMU's six disciplines and their thirty subjects."""

_OUTER_MARKS = ",.!?;:'"
_SENTENCE = 5  # options' texts are looked for in answers of more words than this


def parse_multi_choice(answer: str, options: Sequence[str]) -> str | None:
    """Read a letter off an answer to a multiple-choice question.

    Looked for in turn: "(B)", "B" before a space, "B.", and, in answers of more than five words, an
    option's text. Of several, the one that comes last; but "B " and "B." are placed by " B ", and
    where none stands so, the first letter wins. As `parse_multi_choice_response` of lmms-eval,
    which draws a random option where this gives None.

    Args:
        answer: The model's answer.
        options: The options' texts; the first one is A.

    Returns:
        The letter, or None.

    Example:
        >>> options = ["solid", "liquid"]
        >>> parse_multi_choice("(A) or (B)", options), parse_multi_choice("vitamin B", options)
        ('B', 'B')
        >>> parse_multi_choice("no idea", options) is None
        True
    """
    return extract_mmmu(answer, {chr(ord("A") + i): text for i, text in enumerate(options)})


def extract_mmmu(prediction: str, choices: Mapping[str, str]) -> str | None:
    """`parse_multi_choice` for options given by letter.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, or None.

    Example:
        >>> extract_mmmu("Answer: (B).", {"A": "solid", "B": "liquid"})
        'B'
    """
    text = f" {_without_outer_marks(prediction)} "
    letters = _forms(tuple(choices))
    for form, place in _ORDER if "(" in text else _ORDER[1:]:
        named = [forms for forms in letters if forms[form] in text]
        if len(named) == 1:
            return named[0][0]
        if named:
            return _last([forms[0] for forms in named], [text.rfind(f[place]) for f in named])
    return _by_text(text, choices)


def _without_outer_marks(text: str) -> str:
    """One kind of mark after the other is removed, each once; most answers have none."""
    if text[:1] in _MARKS or text[-1:] in _MARKS:
        for mark in _OUTER_MARKS:
            text = text.strip(mark)
    return text


_MARKS = frozenset(_OUTER_MARKS)
# Which form is looked for, and by which one the last of several is found.
_ORDER = ((1, 1), (2, 4), (3, 4))


@lru_cache(maxsize=256)
def _forms(letters: tuple[str, ...]) -> list[tuple[str, str, str, str, str]]:
    return [(a, f"({a})", f"{a} ", f"{a}.", f" {a} ") for a in letters]


def _by_text(text: str, choices: Mapping[str, str]) -> str | None:
    if len(text.split(maxsplit=_SENTENCE)) <= _SENTENCE:
        return None
    lowered = text.lower()
    places = {letter: lowered.rfind(option.lower()) for letter, option in choices.items()}
    named = [letter for letter, place in places.items() if place >= 0]
    return _last(named, [places[letter] for letter in named]) if named else None


def _last(named: Sequence[str], places: Sequence[int]) -> str:
    return named[places.index(max(places))]


# Equal to the original patterns, but linear in the length of the text: a number never begins or
# ends inside a run of digits, so nothing is gained by trying to.
_DIGIT = re.compile(r"\d")
_WITH_COMMAS = re.compile(r"(?=[-\d])-?\b\d{1,3}(?:,\d{3})+\b")
_SCIENTIFIC = re.compile(r"(?=[-\d])-?(?<!\d)\d++(?:\.\d++)?+[eE][+-]?\d++")
_SIMPLE = re.compile(r"-?(?:(?<!\d)\d++\.\d++|\.\d++|(?<!\d)\d++\b)(?![eE][+-]?\d)(?![,\d])")


def extract_numbers(text: str) -> list[str]:
    """All numbers in a text: those with thousands commas, then scientific ones, then plain ones.

    The parts of a longer number may be plain numbers too. As `extract_numbers` of lmms-eval.

    Args:
        text: A text.

    Returns:
        The numbers as written.

    Example:
        >>> extract_numbers("-.5 or 12"), extract_numbers("1,000"), extract_numbers("2.5e3")
        (['-.5', '12'], ['1,000', '000'], ['2.5e3', '2', '3'])
    """
    if _DIGIT.search(text) is None:
        return []
    found: list[str] = _WITH_COMMAS.findall(text) if "," in text else []
    if "e" in text or "E" in text:
        found += _SCIENTIFIC.findall(text)
    return found + _SIMPLE.findall(text)


_KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = frozenset(":,.!?;'")


def _key_parts(answer: str) -> list[str]:
    """What follows "is", "so" and the like, line by line; the answer itself if nothing does."""
    whole = answer.strip().strip(".").lower()
    lines = whole.split("\n")
    keys = [
        (_KEYS if number < len(lines) else (*_KEYS, "=")) for number in range(1, len(lines) + 1)
    ]
    tails = (_shortest_tail(line, wanted) for line, wanted in zip(lines, keys, strict=True))
    return [tail for tail in tails if tail and tail not in _TRIVIAL] or [whole]


def _shortest_tail(line: str, keys: Iterable[str]) -> str | None:
    shortest: str | None = None
    for key in keys:
        if key in line:
            tail = line.rpartition(key)[2].strip()
            # An empty tail gives way to the next one, as in the original.
            if not shortest or len(tail) < len(shortest):
                shortest = tail
    return shortest


def _normal_forms(text: str) -> list[str | float]:
    """A number rounded to two places, or the lower-cased text; one letter only beside a space."""
    stripped = text.strip()
    try:
        return [round(float(stripped.replace(",", "")), 2)]
    except ValueError:
        lowered = stripped.lower()
    return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


@lru_cache(maxsize=1 << 14)
def _gold_forms(answer: str) -> tuple[str | float, ...]:
    return tuple(_normal_forms(answer))


def parse_open(answer: str) -> list[str | float]:
    """Read texts and numbers off an answer to an open question.

    As `parse_open_response` of lmms-eval, which leaves them in no particular order; here they are
    in order of appearance, key parts before the numbers in them.

    Args:
        answer: The model's answer.

    Returns:
        Lower-cased texts, and numbers rounded to two places; NaN and infinities are numbers too.

    Example:
        >>> parse_open("So the answer is 3.14159"), parse_open("The Nile, I think")
        ([3.14], ['the nile, i think'])
    """
    parts = _key_parts(answer)
    numbers = dict.fromkeys(number for part in parts for number in extract_numbers(part))
    items = (*parts, *numbers)
    return list(dict.fromkeys(form for item in items for form in _normal_forms(item)))


def matches_open(parsed: Iterable[str | float], answers: str | Sequence[str]) -> bool:
    """Whether something that was read contains, or is the same number as, an accepted answer.

    As `eval_open` of lmms-eval.

    Args:
        parsed: What `parse_open` gives.
        answers: The accepted answer, or several.

    Returns:
        Whether it matches.

    Example:
        >>> matches_open(parse_open("the River Nile"), "nile"), matches_open([3.0], ["3", "three"])
        (True, True)
    """
    golds = [answers] if isinstance(answers, str) else answers
    forms = [form for gold in golds for form in _gold_forms(gold)]
    texts = [form for form in forms if isinstance(form, str)]
    return any(
        any(text in item for text in texts) if isinstance(item, str) else item in forms
        for item in parsed
    )


def score_open(
    answer: str, answers: str | Sequence[str], variant: OpenVariant = "corrected"
) -> bool:
    """Score an answer to an open question.

    `corrected` compares everything that was read, as MMMU's authors do. `lmms_eval` is what the
    pipeline of lmms-eval does at commit 75571cf: it keeps the first item as a string and compares
    its single characters, so that only an empty accepted answer ever matches.

    Args:
        answer: The model's answer.
        answers: The accepted answer, or several.
        variant: Which rule.

    Returns:
        Whether it is right.

    Example:
        >>> score_open("It is 12.5", "12.5"), score_open("It is 12.5", "12.5", "lmms_eval")
        (True, False)
    """
    parsed = parse_open(answer)
    if variant == "lmms_eval":
        return matches_open(str(parsed[0]), answers)
    return matches_open(parsed, answers)


def mmmu_subject(question_id: str) -> str:
    """The subject in a question's id.

    Args:
        question_id: Such as validation_Art_Theory_7.

    Returns:
        The subject.

    Raises:
        ValueError: The id hasn't got the form split_Subject_number.

    Example:
        >>> mmmu_subject("validation_Art_Theory_7")
        'Art_Theory'
    """
    subject, _, number = question_id.partition("_")[2].rpartition("_")
    if not subject or not number.isdecimal():
        raise ValueError(f"question id {question_id!r} isn't of the form split_Subject_number")
    return subject


class MMMUScore(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy of a group of questions."""

    n: int
    """Questions."""
    accuracy: float | None
    """Share of right answers in [0, 1]; None without questions."""


class MMMUReport(msgspec.Struct, frozen=True, kw_only=True):
    """MMMU's accuracies."""

    overall: MMMUScore
    """All questions."""
    per_discipline: dict[str, MMMUScore]
    """All six disciplines."""
    per_subject: dict[str, MMMUScore]
    """Subjects with questions."""


def mmmu_report(rows: Iterable[tuple[str, bool]]) -> MMMUReport:
    """Average right answers by subject and discipline.

    As `mmmu_aggregate_results` of lmms-eval, before its rounding to five places (and its 0 where
    there is no question); a discipline's accuracy weighs its subjects by their questions.

    Args:
        rows: Question id, and whether its answer is right.

    Returns:
        The accuracies.

    Raises:
        ValueError: There is no question, or an id is malformed.

    Example:
        >>> report = mmmu_report([("dev_Art_1", True), ("dev_Math_1", False)])
        >>> report.overall.accuracy, report.per_discipline["Science"].accuracy
        (0.5, 0.0)
    """
    groups: dict[str, list[bool]] = {}
    for question_id, right in rows:
        groups.setdefault(mmmu_subject(question_id), []).append(right)
    if not groups:
        raise ValueError("no answers to score")
    subjects = {
        name: MMMUScore(n=len(group), accuracy=sum(group) / len(group))
        for name, group in groups.items()
    }
    return MMMUReport(
        overall=_pooled(subjects.values()),
        per_discipline={
            discipline: _pooled(subjects[name] for name in names if name in subjects)
            for discipline, names in DISCIPLINES.items()
        },
        per_subject=subjects,
    )


def _pooled(scores: Iterable[MMMUScore]) -> MMMUScore:
    parts = list(scores)
    n = sum(part.n for part in parts)
    right = sum((part.accuracy or 0.0) * part.n for part in parts)
    return MMMUScore(n=n, accuracy=right / n if n else None)
