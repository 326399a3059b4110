"""Numbers as people read them: percent for fractions, an interval beside, never a bare zero."""

from __future__ import annotations

from typing import NamedTuple

from harness.leaderboard.table import Cell, Column
from harness.records import Direction, MetricSpec, TaskStatus

__all__ = ["arrow", "cell_text", "heading", "interval_text", "value_text", "verdict_text"]

_ARROWS = {Direction.HIGHER: "↑", Direction.LOWER: "↓", Direction.NEITHER: ""}


def heading(column: Column) -> str:
    """Task, metric if it isn't the primary one, arrow, and what sets the protocol apart."""
    name = column.task if column.primary else f"{column.task} {column.metric.name}"
    qualifier = f" [{column.qualifier}]" if column.qualifier else ""
    return f"{name}{qualifier} {arrow(column)}".rstrip()


def arrow(column: Column) -> str:
    """Which way is better."""
    return _ARROWS[column.metric.direction]


def cell_text(cell: Cell, column: Column) -> str:
    """A cell in one line: value with interval, and whatever keeps it from being the whole truth."""
    if cell.status is None:
        return "-"
    if cell.status is TaskStatus.NOT_APPLICABLE:
        return "n/a"
    value = value_text(cell, column)
    parts = [f"{value} {interval_text(cell, column)}".rstrip()]
    if cell.status is TaskStatus.INCOMPLETE:
        parts.append(_incomplete(cell, column))
    return ", ".join(part for part in parts if part)


def value_text(cell: Cell, column: Column) -> str:
    """The point estimate with its unit, or `?` where nothing is known."""
    if cell.value is None or cell.value.value is None:
        return "?"
    scale = _scale(cell, column.metric)
    return f"{scale.text(cell.value.value)} {scale.unit}".rstrip()


def interval_text(cell: Cell, column: Column) -> str:
    """The 95% interval in brackets, in the value's unit; empty where there is none."""
    value = cell.value
    if value is None or value.low is None or value.high is None:
        return ""
    scale = _scale(cell, column.metric)
    return f"[{scale.text(value.low)}, {scale.text(value.high)}]"


def verdict_text(cell: Cell) -> str:
    """Counts of verdicts as `38 ok, 2 unparsed`."""
    return ", ".join(f"{count} {name}" for name, count in cell.verdicts.items())


def _incomplete(cell: Cell, column: Column) -> str:
    known = sum(cell.verdicts.get(name, 0) for name in ("ok", "wrong", "unparsed"))
    text = f"incomplete ({known}/{cell.total})" if cell.total else "not run yet"
    value, scale = cell.value, _scale(cell, column.metric)
    if value is None or value.bound_low is None or value.bound_high is None:
        return text
    return f"{text}, bounds {scale.text(value.bound_low)} to {scale.text(value.bound_high)}"


class _Scale(NamedTuple):
    """How the numbers of one cell are written; one scale, so that its ends can be compared."""

    factor: float
    unit: str
    decimals: int | None

    def text(self, number: float) -> str:
        scaled = number * self.factor
        if self.decimals is not None:
            return f"{scaled:.{self.decimals}f}"
        return f"{scaled:,.0f}" if abs(scaled) >= 1000 else f"{scaled:.3g}"


def _scale(cell: Cell, metric: MetricSpec) -> _Scale:
    """Percent with one decimal for fractions, milliseconds below a second, else three digits."""
    if (metric.low, metric.high, metric.unit) == (0.0, 1.0, ""):
        return _Scale(100, "", 1)
    value = cell.value.value if cell.value is not None else None
    if metric.unit == "s" and value is not None and value < 1:
        return _Scale(1000, "ms", None)
    return _Scale(1, metric.unit, None)
