"""How lmms-eval reads a letter off an answer: its shared extractor, and its older rules.

All rules are those of EvolvingLMMs-Lab/lmms-eval at commit 75571cf. They never look at the options'
texts, and none of them says what an answer that names no letter is: None here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from tasks.scoring.vqa import without_case_and_punctuation

__all__ = [
    "ai2d_filtered",
    "extract_ai2d",
    "extract_letter",
    "extract_lmms_eval",
    "extract_scienceqa",
    "extract_seedbench",
    "seedbench_letter",
]

# Phrases that the original looks for, verbatim: they are part of its rule. A longer phrase may
# first occur later than the shorter one that ends it, so that both count.
_ANSWER_PHRASES = (
    "the answer is", "answer is", "the correct answer is", "correct answer is",
    "the best answer is", "best answer is", "the correct option is", "correct option is",
    "the best option is", "best option is", "the choice is", "choice is", "the correct choice is",
    "correct choice is", "i choose", "i select", "i pick", "my answer is", "my choice is",
    "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは",
)  # fmt: skip
_OUTER_MARKS = ",.!?;:'\""
_DEFAULT_LETTERS = "ABCDEFGH"


def extract_letter(answer: str, letters: Iterable[str] = _DEFAULT_LETTERS) -> str | None:
    """Read a letter in the surest of ten forms, the last one in that form.

    In order: the answer begins with the letter, ends with it, has it after a phrase such as "answer
    is" (anywhere after it), as "(A)", "A.", "A:", "A)", before a space, or anywhere. As
    `extract_mcq_answer` of lmms-eval (MMStar and RealWorldQA use it with A to D).

    Args:
        answer: The model's answer.
        letters: Letters that an answer may name.

    Returns:
        The letter, or None if no letter occurs.

    Example:
        >>> extract_letter("The correct answer is (B)."), extract_letter("a cat")
        ('B', None)
        >>> extract_letter("A or B"), extract_letter("An apple")
        ('A', 'A')
    """
    inner = answer.strip()
    for mark in _OUTER_MARKS:
        inner = inner.strip(mark)
    allowed = tuple(letters)
    for places in _forms(f" {inner} ", allowed):
        found = [(place, letter) for letter, place in places if place >= 0]
        if found:
            # On equal places the original keeps the first letter; letters can't share a place.
            return max(found)[1]
    return None


_Places = Iterator[tuple[str, int]]


def _forms(text: str, letters: tuple[str, ...]) -> Iterator[_Places]:
    """For each form, surest first, each letter's last place; below 0 where it has none."""
    core = text.strip()
    yield ((a, 0 if core.startswith(a) and not core[1:2].isalpha() else -1) for a in letters)
    yield ((a, 0 if core.endswith(a) and not core[-2:-1].isalpha() else -1) for a in letters)
    yield _after_phrases(text, letters)
    for form in ("({})", "{}.", "{}:", "{})", "{} ", "{}"):
        yield ((a, text.rfind(form.format(a))) for a in letters)


def _after_phrases(text: str, letters: tuple[str, ...]) -> _Places:
    lowered = text.lower()
    for phrase in _ANSWER_PHRASES:
        # A place in the lower-cased text is used in the text itself, as in the original.
        place = lowered.find(phrase)
        if place >= 0:
            yield from ((a, text.find(a, place + len(phrase))) for a in letters)


def extract_lmms_eval(prediction: str, choices: Mapping[str, str]) -> str | None:
    """`extract_letter` for the letters of a question's options.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, or None.

    Example:
        >>> extract_lmms_eval("It must be D", {"A": "x", "B": "y"}) is None
        True
    """
    return extract_letter(prediction, choices)


_LETTER_AND_PERIOD = re.compile(r"\s*([A-Z])\.")


def ai2d_filtered(answer: str) -> str:
    """A capital letter and a period at the beginning become the letter; else nothing changes.

    As AI2D's filter in lmms-eval, whose exact match (case and punctuation aside) comes after it.

    Args:
        answer: The model's answer.

    Returns:
        The letter, or the answer.

    Example:
        >>> ai2d_filtered(" B. rabbit"), ai2d_filtered("rabbit")
        ('B', 'rabbit')
    """
    match = _LETTER_AND_PERIOD.match(answer)
    return match.group(1) if match else answer


def extract_ai2d(prediction: str, choices: Mapping[str, str]) -> str | None:
    """AI2D's rule: `ai2d_filtered` is one of the letters, case and punctuation aside.

    Outer white space is removed before punctuation is, so that "( B )" names no letter.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, or None.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> [extract_ai2d(text, options) for text in ("b", "(B)", "B. dog", "B) dog")]
        ['B', 'B', 'B', None]
    """
    filtered = ai2d_filtered(prediction).strip()
    said = without_case_and_punctuation(filtered)
    return _first(choices, lambda a: said == without_case_and_punctuation(a))


def extract_scienceqa(prediction: str, choices: Mapping[str, str]) -> str | None:
    """ScienceQA's rule: the bare letter, or a capital letter and a period at the beginning.

    As `sqa_process_results` of lmms-eval.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, or None.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> [extract_scienceqa(text, options) for text in ("b", "B. dog", "(B)")]
        ['B', 'B', None]
    """
    text = prediction.strip()
    said = text[0] if len(text) > 1 and text[0].isupper() and text[1] == "." else text
    return _first(choices, lambda a: len(said) == 1 and said.lower() == a.lower())


def seedbench_letter(answer: str) -> str:
    """The first character of an answer, white space aside, as SEED-Bench's rule in lmms-eval.

    Args:
        answer: The model's answer.

    Returns:
        One character, or none if the answer is blank.

    Example:
        >>> seedbench_letter(" a dog")
        'a'
    """
    return answer.strip()[:1]


def extract_seedbench(prediction: str, choices: Mapping[str, str]) -> str | None:
    """SEED-Bench's rule: the first character is the letter, in either case, whatever follows.

    As `seed_process_result` and `seed_aggregation_result` of lmms-eval: "a dog" is option A.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, or None.

    Example:
        >>> extract_seedbench("a dog", {"A": "cat", "B": "dog"})
        'A'
    """
    said = seedbench_letter(prediction).lower()
    return _first(choices, lambda a: said == a.lower())


def _first(choices: Iterable[str], fits: Callable[[str], bool]) -> str | None:
    return next((letter for letter in choices if fits(letter)), None)
