"""What the official CHEERS wrapper makes of an answer before any benchmark's scorer sees it.

Facts of AI9Stars/Cheers at commit da1cb77: for multiple choice and yes/no the model's text is cut
down to a letter or a word, upper-cased first. So the article of "a dog" becomes option A. These
functions reproduce that, to reproduce published numbers; they aren't a good way to read answers.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["wrapper_answer", "wrapper_first_word", "wrapper_letter", "wrapper_yes_no"]

_STANDALONE = {last: re.compile(rf"\b[A-{last}]\b") for last in "EI"}
_YES_OR_NO = re.compile(r"\b(?:YES|NO)\b")
_PHRASE = re.compile(r"[A-Za-z0-9]++(?:\s++[A-Za-z0-9]++)*+")


def wrapper_answer(text: str) -> str:
    """The last standalone letter A to E of the upper-cased text, else its first phrase.

    A phrase is a run of unaccented letters, digits and the white space between them. The wrapper's
    rule for all multiple choice but MMStar.

    Args:
        text: What the model wrote.

    Returns:
        A letter, a phrase, or nothing.

    Example:
        >>> [wrapper_answer(text) for text in ("It is (b).", "a dog", "some dog, I think", "?")]
        ['B', 'A', 'some dog', '']
    """
    letter = _last_letter(text, "E")
    if letter:
        return letter
    phrase = _PHRASE.search(text)
    return phrase.group() if phrase else ""


def wrapper_letter(text: str) -> str:
    """The last standalone letter A to I of the upper-cased text: the wrapper's rule for MMStar.

    Args:
        text: What the model wrote.

    Returns:
        A letter, or nothing.

    Example:
        >>> wrapper_letter("Answer: C"), wrapper_letter("C, I think"), wrapper_letter("rabbit")
        ('C', 'I', '')
    """
    return _last_letter(text, "I")


def _last_letter(text: str, last: Literal["E", "I"]) -> str:
    found: list[str] = _STANDALONE[last].findall(text.upper())
    return found[-1] if found else ""


def wrapper_yes_no(text: str) -> str:
    """The last standalone YES or NO of the upper-cased text: the wrapper's rule for yes/no.

    Args:
        text: What the model wrote.

    Returns:
        YES, NO, or nothing.

    Example:
        >>> wrapper_yes_no("Yes, there is no dog."), wrapper_yes_no("maybe")
        ('NO', '')
    """
    found: list[str] = _YES_OR_NO.findall(text.upper())
    return found[-1] if found else ""


def wrapper_first_word(text: str) -> str:
    """The first word: the wrapper's rule for GQA.

    Args:
        text: What the model wrote.

    Returns:
        A word with its punctuation, or nothing (where the original fails on a blank answer).

    Example:
        >>> wrapper_first_word(" red, mostly")
        'red,'
    """
    return next(iter(text.split(maxsplit=1)), "")
