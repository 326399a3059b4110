"""What the detector would answer to a question about a picture."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tasks.shapes.world.palette import NUMBER_WORDS

if TYPE_CHECKING:
    from tasks.cycle.questions import Question
    from tasks.shapes.detector import Detection, Detections

__all__ = ["read"]

_SURE = 0.3  # GenEval's threshold; its counting uses a higher one
_SURE_TO_COUNT = 0.9


def read(found: Detections, question: Question) -> str | None:
    """The option that is true of what was found; `None` if none or several are.

    Args:
        found: All shapes of the picture.
        question: The question.

    Example:
        >>> from tasks.cycle.questions import Question
        >>> from tasks.shapes.judge import find_shapes
        >>> from tasks.shapes.dataset import picture
        >>> from tasks.shapes.world import generation_sample
        >>> found = find_shapes(picture(generation_sample(0, "test", 3).scene))
        >>> options = ("red", "green", "blue", "black")
        >>> read(found, Question("color", "what color?", options, "green", ("circle",)))
        'green'
    """
    answers = _ANSWERS[question.kind](found, question)
    true = [option for option in question.options if option in answers]
    return true[0] if len(true) == 1 else None


def _sure(found: Detections, name: str, score: float = _SURE) -> list[Detection]:
    return [item for item in found.of_class(name) if item.score > score]


def _colors(found: Detections, question: Question) -> set[str]:
    """The colour of the one object of the class."""
    items = _sure(found, question.objects[0])
    return {items[0].color} if len(items) == 1 else set()


def _counts(found: Detections, question: Question) -> set[str]:
    count = len(_sure(found, question.objects[0], _SURE_TO_COUNT))
    return {NUMBER_WORDS[count]} if count in NUMBER_WORDS else set()


def _positions(found: Detections, question: Question) -> set[str]:
    """Relations of two objects that are alone of their classes."""
    from tasks.scoring.geneval import relative_position

    first, second = (_sure(found, name) for name in question.objects)
    if len(first) != 1 or len(second) != 1:
        return set()
    relations = relative_position(first[0].box, second[0].box)
    return set(relations) if len(relations) == 1 else set()


def _existing(found: Detections, question: Question) -> set[str]:
    """Options all of whose objects are there."""
    there = Counter(item.label for item in found if item.score > _SURE)
    return {
        option
        for option in question.options
        if all(there[part.split(" ", 1)[1]] for part in option.split(" and "))
    }


_ANSWERS = {
    "color": _colors,
    "count": _counts,
    "position": _positions,
    "existence": _existing,
}
