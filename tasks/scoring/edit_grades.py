"""Grades that a judge gives an edited picture, read off its answer.

Facts of the rules: ImgEdit's `step1_get_avgscore.py` (PKU-YuanGroup/ImgEdit at commit c14480a) and
VIEScore for editing (Ku et al. 2024, arXiv 2312.14867) as GEdit-Bench uses it. Where the originals
drop an answer that can't be read, or count it as 0, these functions say that it can't.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["imgedit_grade", "read_imgedit", "read_viescore", "viescore"]

_IMGEDIT = (1, 5)
_VIESCORE = (0, 10)


def read_imgedit(answer: str) -> tuple[int, ...] | None:
    r"""The grades of an answer: every line that reads `NAME: NUMBER`.

    Args:
        answer: The judge's words.

    Returns:
        The grades in order, each from 1 to 5; `None` if there are none, or one is out of range.

    Example:
        >>> read_imgedit("Brief reasoning: fine.\nCompliance: 4\nSeams: 5\nDetail: 3")
        (4, 5, 3)
        >>> read_imgedit("I can't grade this.") is None
        True
    """
    parts = [line.strip().split(": ") for line in answer.splitlines()]
    grades = [int(pair[1]) for pair in parts if len(pair) == 2 and _is_number(pair[1])]
    return tuple(grades) if grades and _within(grades, *_IMGEDIT) else None


def imgedit_grade(grades: Sequence[int]) -> float:
    """What an edit is worth: the mean of its grades, to two decimals as the original rounds it.

    Example:
        >>> imgedit_grade((1, 4, 5))
        3.33
    """
    return round(sum(grades) / len(grades), 2)


def read_viescore(answer: str) -> tuple[float, ...] | None:
    """The grades of an answer: the list `score` of the first JSON object that has one.

    Args:
        answer: The judge's words; text may stand around the object.

    Returns:
        The grades in order, each from 0 to 10; `None` if there are none, or one is out of range.

    Example:
        >>> read_viescore('Sure: {"score": [8, 9.5], "reasoning": "good"}')
        (8.0, 9.5)
        >>> read_viescore('{"score": [11]}') is None
        True
    """
    for found in _objects(answer):
        value = found.get("score")
        grades: list[Any] = value if isinstance(value, list) else [value]
        if grades and all(type(grade) in (int, float) for grade in grades):
            return tuple(map(float, grades)) if _within(grades, *_VIESCORE) else None
    return None


def viescore(semantics: Sequence[float], quality: Sequence[float]) -> tuple[float, float, float]:
    """Semantic consistency, perceptual quality and overall score, each from 0 to 10.

    The lowest grade of each side counts, and overall is their geometric mean.

    Example:
        >>> viescore((9, 4), (16 / 4, 9))
        (4, 4.0, 4.0)
    """
    meaning, looks = min(semantics), min(quality)
    return meaning, looks, math.sqrt(meaning * looks)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _within(grades: Sequence[float], low: float, high: float) -> bool:
    return all(low <= grade <= high for grade in grades)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object in a text, from left to right."""
    decoder, place = json.JSONDecoder(), text.find("{")
    while place >= 0:
        try:
            found, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            if isinstance(found, dict):
                yield found
        place = text.find("{", end)
