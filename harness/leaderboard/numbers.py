"""Numbers as people read them: percent for fractions, an interval beside, never a bare zero."""

from __future__ import annotations

from harness.leaderboard.table import Cell, Column
from harness.numbers import MILLISECONDS, Writer, number_writer
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
    return _writer(cell, column.metric)(cell.value.value)


def interval_text(cell: Cell, column: Column) -> str:
    """The 95% interval in brackets, in the value's unit; empty where there is none."""
    value = cell.value
    if value is None or value.low is None or value.high is None:
        return ""
    write = _writer(cell, column.metric).bare
    return f"[{write(value.low)}, {write(value.high)}]"


def verdict_text(cell: Cell) -> str:
    """Counts of verdicts as `38 ok, 2 unparsed`."""
    return ", ".join(f"{count} {name}" for name, count in cell.verdicts.items())


def _incomplete(cell: Cell, column: Column) -> str:
    known = sum(cell.verdicts.get(name, 0) for name in ("ok", "wrong", "unparsed"))
    text = f"incomplete ({known}/{cell.total})" if cell.total else "not run yet"
    value, write = cell.value, _writer(cell, column.metric).bare
    if value is None or value.bound_low is None or value.bound_high is None:
        return text
    return f"{text}, bounds {write(value.bound_low)} to {write(value.bound_high)}"


def _writer(cell: Cell, metric: MetricSpec) -> Writer:
    value = cell.value.value if cell.value is not None else None
    if metric.unit == "s" and value is not None and value < 1:
        return MILLISECONDS
    return number_writer(metric)
