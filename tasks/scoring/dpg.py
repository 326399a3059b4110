"""DPG-Bench (Hu et al., ELLA, 2024): questions about a dense prompt that depend on one another.

As `compute_dpg_bench.py` of AI9Stars/Cheers at commit da1cb77, which is ELLA's with pandas. Where
the original is wrong, `legacy=True` does what it does and the default does what it means:

- it skips the file's first question, so that images of that item fail on their parents;
- of an item whose questions aren't neighbours, only the last block counts;
- categories are made of the last picture of each image alone;
- only the exact answer `yes` counts, not `Yes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

__all__ = [
    "DPGImage",
    "DPGQuestion",
    "DPGSummary",
    "parse_dpg_questions",
    "score_dpg_image",
    "summarise_dpg",
]


class DPGQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One yes-or-no question."""

    number: int
    """The proposition's number within its item."""
    parents: tuple[int, ...]
    """Questions that must be answered yes for this one to count; empty for none."""
    category: str
    """Level-2 category, e.g. `attribute - color`."""
    text: str
    """The question."""

    @property
    def broad(self) -> str:
        """Level-1 category."""
        return self.category.split("-")[0].strip()


class DPGImage(msgspec.Struct, frozen=True, kw_only=True):
    """The score of one prompt's pictures."""

    score: float
    """Mean over pictures, in [0, 1]."""
    pictures: tuple[float, ...]
    """Share of questions of each picture that count as yes."""
    answered: tuple[Mapping[int, float], ...]
    """For each picture, question number to 1 for yes and 0 for no, before parents are looked at."""


class DPGSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Figures in percent."""

    overall: float | None
    """Mean of the images' scores; None without images."""
    broad: Mapping[str, float]
    """Share of questions answered yes by level-1 category; parents don't matter here."""
    categories: Mapping[str, float]
    """The same by level-2 category."""


def parse_dpg_questions(
    rows: Iterable[Mapping[str, str | int]], *, legacy: bool = False
) -> dict[str, tuple[DPGQuestion, ...]]:
    """Questions of each item, in the file's order.

    Args:
        rows: Rows of the question file, with columns item_id, proposition_id, dependency (numbers
            with commas, 0 for none), tuple and question_natural_language.
        legacy: Whether to skip the first row and keep only an item's last block, as the original.

    Raises:
        ValueError: A cell isn't what its column says, or (unless `legacy`) a question depends on
            one that its item hasn't; the message names the row.

    Example:
        >>> row = {"item_id": "a", "proposition_id": 1, "dependency": "0",
        ...        "tuple": "entity - whole (cow)", "question_natural_language": "Is there a cow?"}
        >>> parse_dpg_questions([row])["a"][0].broad
        'entity'
    """
    items: dict[str, dict[int, DPGQuestion]] = {}
    previous = None
    for number, row in enumerate(rows, 1):
        if legacy and number == 1:
            continue
        name = str(row["item_id"])
        if legacy and name != previous:
            items[name] = {}
        question = _question(row, number)
        items.setdefault(name, {})[question.number] = question
        previous = name
    if not legacy:
        _check_parents(items)
    return {name: tuple(questions.values()) for name, questions in items.items()}


def score_dpg_image(
    questions: Sequence[DPGQuestion],
    answers: Sequence[Mapping[int, str]],
    *,
    legacy: bool = False,
) -> DPGImage:
    """Score the pictures of one prompt.

    A question counts as yes if it's answered yes and so are its parents. Parents are looked at in
    the file's order, so a question whose parent was struck out earlier is struck out too.

    Args:
        questions: The item's questions.
        answers: For each picture, question number to the judge's answer.
        legacy: Whether only the exact `yes` counts.

    Raises:
        KeyError: An answer is missing, or a question depends on one that its item hasn't, which
            in the original drops the image.

    Example:
        >>> cow = DPGQuestion(number=1, parents=(), category="entity - whole", text="A cow?")
        >>> red = DPGQuestion(number=2, parents=(1,), category="attribute - color", text="Red?")
        >>> score_dpg_image([cow, red], [{1: "no", 2: "yes"}]).score
        0.0
    """
    answered = tuple(
        {q.number: float(_is_yes(picture[q.number], legacy=legacy)) for q in questions}
        for picture in answers
    )
    pictures = tuple(_share(questions, scores) for scores in answered)
    return DPGImage(score=sum(pictures) / len(pictures), pictures=pictures, answered=answered)


def summarise_dpg(
    images: Iterable[tuple[Sequence[DPGQuestion], DPGImage]], *, legacy: bool = False
) -> DPGSummary:
    """Figures over images.

    Args:
        images: Each image's questions and score.
        legacy: Whether categories are made of the last picture of each image alone.
    """
    scores: list[float] = []
    narrow: dict[str, list[float]] = defaultdict(list)
    broad: dict[str, list[float]] = defaultdict(list)
    for questions, image in images:
        scores.append(image.score)
        for picture in image.answered[-1:] if legacy else image.answered:
            for question in questions:
                narrow[question.category].append(picture[question.number])
                broad[question.broad].append(picture[question.number])
    return DPGSummary(
        overall=_percent(scores) if scores else None,
        broad={name: _percent(values) for name, values in sorted(broad.items())},
        categories={name: _percent(values) for name, values in sorted(narrow.items())},
    )


def _question(row: Mapping[str, str | int], number: int) -> DPGQuestion:
    try:
        parents = [int(part) for part in str(row["dependency"]).split(",")]
        return DPGQuestion(
            number=int(row["proposition_id"]),
            parents=tuple(parent for parent in parents if parent != 0),
            category=str(row["tuple"]).split("(")[0].strip(),
            text=str(row["question_natural_language"]),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"question row {number} of DPG-Bench: {error!r}") from error


def _check_parents(items: Mapping[str, Mapping[int, DPGQuestion]]) -> None:
    for name, questions in items.items():
        for question in questions.values():
            unknown = [parent for parent in question.parents if parent not in questions]
            if unknown:
                raise ValueError(
                    f"question {question.number} of item {name!r} depends on {unknown[0]}, which "
                    "the item hasn't"
                )


def _is_yes(answer: str, *, legacy: bool) -> bool:
    return (answer if legacy else answer.strip().rstrip(".").lower()) == "yes"


def _share(questions: Sequence[DPGQuestion], answered: Mapping[int, float]) -> float:
    counted = dict(answered)
    for question in questions:
        if any(counted[parent] == 0 for parent in question.parents):
            counted[question.number] = 0.0
    return sum(counted.values()) / len(counted)


def _percent(values: Sequence[float]) -> float:
    return 100 * sum(values) / len(values)
