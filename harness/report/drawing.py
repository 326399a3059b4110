"""Geometry of the small plots in a report: where marks stand, in percent of their axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.costs import Spread
from harness.leaderboard import Cell, Column

__all__ = ["Mark", "Point", "interval_mark", "points", "spread_mark", "ticks"]

_MARGIN = 1.08
_NAME_HEIGHT = 8.0  # of a plane's height


class Mark(NamedTuple):
    """A value with its interval on an axis from 0 to 100."""

    value: float
    """Where the value stands."""

    low: float
    """Where the interval begins."""

    width: float
    """How long it is."""


class Point(NamedTuple):
    """A run in a plane of two quantities."""

    label: str
    """Name of the run."""

    x: float
    """From left to right, 0 to 100."""

    y: float
    """From top to bottom, 0 to 100."""

    low: float
    """Upper end of the score's interval, from top to bottom."""

    high: float
    """Lower end of the score's interval, from top to bottom."""

    leftward: bool
    """Whether the name stands left of the point."""

    text_y: float
    """Where the name stands, from top to bottom, clear of other names."""


def interval_mark(cell: Cell, column: Column, cells: Sequence[Cell]) -> Mark | None:
    """A metric's value on the axis that all runs share.

    Args:
        cell: The run's number.
        column: The metric; fractions have the axis from 0 to 1, others from 0 to the largest.
        cells: Numbers of all runs.
    """
    value = cell.value
    if value is None or value.value is None:
        return None
    low = value.value if value.low is None else value.low
    high = value.value if value.high is None else value.high
    top = _top(column, cells)
    if top <= 0 or min(low, value.value) < 0:
        return None
    start, end = (min(max(100 * end / top, 0), 100) for end in (low, high))
    return Mark(min(100 * value.value / top, 100), start, end - start)


def _top(column: Column, cells: Sequence[Cell]) -> float:
    if (column.metric.low, column.metric.high) == (0.0, 1.0):
        return 1.0
    ends = [end for c in cells if c.value for end in (c.value.value, c.value.high) if end]
    return max(ends, default=0.0) * _MARGIN


def spread_mark(spread: Spread, spreads: Sequence[Spread]) -> Mark:
    """A cost on the axis from 0 to the largest of all runs."""
    top = max(s.p90 for s in spreads) * _MARGIN or 1.0
    return Mark(
        100 * spread.p50 / top, 100 * spread.p10 / top, 100 * (spread.p90 - spread.p10) / top
    )


def points(runs: Sequence[tuple[str, Cell, float]]) -> list[Point]:
    """Scores between 0 and 1 against a cost, as points of a plane.

    Args:
        runs: Label, score and cost of each run.
    """
    top = max((cost for _, _, cost in runs), default=0.0) * _MARGIN or 1.0
    placed: list[Point] = []
    for label, cell, cost in sorted(runs, key=lambda run: -(run[1].value.value or 0)):  # type: ignore[union-attr]
        placed.append(_clear(_point(label, cell, 100 * cost / top), placed))
    return placed


def _clear(point: Point, placed: Sequence[Point]) -> Point:
    """The point with its name below the names that stand where it would."""
    beside = [p.text_y for p in placed if p.leftward == point.leftward]
    place = max(point.y, 0.0)
    for other in sorted(beside):
        if abs(other - place) < _NAME_HEIGHT:
            place = other + _NAME_HEIGHT
    return point._replace(text_y=place)


def _point(label: str, cell: Cell, x: float) -> Point:
    assert cell.value is not None  # noqa: S101 -- the caller looked
    value = cell.value.value or 0.0
    low = value if cell.value.low is None else cell.value.low
    high = value if cell.value.high is None else cell.value.high
    ends = 100 * (1 - low), 100 * (1 - high)
    return Point(label, x, 100 * (1 - value), *ends, leftward=x > 50, text_y=0.0)


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to at most `top`, three to six of them.

    Example:
        >>> ticks(1.08)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> ticks(730)
        [0.0, 200.0, 400.0, 600.0]
    """
    from math import floor, log10

    if top <= 0:
        return [0.0]
    power = 10.0 ** floor(log10(top))
    step = next(power * s for s in (0.1, 0.2, 0.5, 1, 2) if top / (power * s) < 6)
    return [round(n * step, 12) for n in range(floor(top / step) + 1)]
