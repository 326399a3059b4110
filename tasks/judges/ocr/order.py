"""Reading order: boxes to lines, lines from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.judges.ocr.interface import TextBox

__all__ = ["OVERLAP", "reading_order"]

OVERLAP = 0.5
"""Least vertical overlap with a line, as a share of the lower of the two heights."""


def reading_order(boxes: Iterable[TextBox]) -> tuple[tuple[TextBox, ...], ...]:
    """Merge boxes into lines.

    Boxes are taken by the height of their middles, from top to bottom. A box joins the line whose
    first box overlaps it most in height, if that is at least half of the lower one's height; else
    it begins a line. Lines go from top to bottom by the middles of their first boxes, boxes of a
    line from left to right. Columns aren't told apart: a line goes across them.

    Args:
        boxes: In any order; the order doesn't matter.

    Returns:
        Lines of boxes.

    Example:
        >>> def box(text, x, y):
        ...     return TextBox(text=text, confidence=1.0, box=(x, y, x + 9, y + 9))
        >>> lines = reading_order([box("world", 20, 2), box("below", 0, 30), box("hello", 0, 0)])
        >>> [[one.text for one in line] for line in lines]
        [['hello', 'world'], ['below']]
    """
    lines: list[list[TextBox]] = []
    for box in sorted(boxes, key=_height_then_place):
        shares = [_shared(line[0], box) for line in lines]
        most = max(shares, default=0.0)
        if most >= OVERLAP:
            lines[shares.index(most)].append(box)
        else:
            lines.append([box])
    return tuple(tuple(sorted(line, key=_from_the_left)) for line in lines)


def _height_then_place(box: TextBox) -> tuple[object, ...]:
    return ((box.box[1] + box.box[3]) / 2, *box.box, box.text, box.confidence)


def _from_the_left(box: TextBox) -> tuple[object, ...]:
    return (*box.box, box.text, box.confidence)


def _shared(first: TextBox, second: TextBox) -> float:
    """Vertical overlap as a share of the lower height."""
    (_, top, _, bottom), (_, up, _, down) = first.box, second.box
    lower = min(bottom - top, down - up)
    return (min(bottom, down) - max(top, up)) / lower if lower > 0 else 0.0
