"""The numbers of a figure, taken from the leaderboard's table; protocols never mix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import SpecError, UnknownNameError
from harness.leaderboard import Cell, Column, Row, Table, build_table
from harness.names import suggest
from harness.plot.settings import PlotSettings
from harness.text import one_line, visible

__all__ = ["Series", "Value", "category_columns", "is_fraction", "name_of", "one_column", "series"]
__all__ += ["bar_columns", "note_of", "read"]

_LABEL = 36


class Value(NamedTuple):
    """A score in percent with its interval; NaN at the ends where there is none."""

    value: float
    """Point estimate."""

    low: float
    """Lower end."""

    high: float
    """Upper end."""


class Series(NamedTuple):
    """One run's values."""

    label: str
    """Its name, made safe to draw."""

    row: Row
    """The run."""

    values: list[Value | None]
    """One per column; `None` where the run has none."""


def read(folders: Sequence[Path]) -> Table:
    """Every metric of every run.

    Raises:
        LedgerError: A folder isn't a run, or is damaged.
    """
    return build_table(folders, all_metrics=True)


def is_fraction(column: Column) -> bool:
    """Whether the metric is between 0 and 1, and so can be drawn in percent."""
    metric = column.metric
    return (metric.low, metric.high, metric.unit) == (0.0, 1.0, "")


def bar_columns(table: Table, task: str | None) -> list[Column]:
    """Primary metrics of all tasks, or all metrics of one, where they are fractions.

    Raises:
        SpecError: There are none.
    """
    wanted: Callable[[Column], bool] = lambda column: column.primary  # noqa: E731
    if task is not None:
        _check(table, task)
        wanted = lambda column: column.task == task  # noqa: E731
    found = [column for column in table.columns if wanted(column) and is_fraction(column)]
    return _some(found, "the runs have no score between 0 and 1", "name a task that has")


def category_columns(table: Table, task: str | None) -> list[Column]:
    """Metrics of one task that are about one category each.

    Raises:
        SpecError: No task is named, or it has fewer than three, or several protocols.
    """
    name = _one_task(table, task)
    found = [c for c in table.columns if c.task == name and c.metric.category and is_fraction(c)]
    if len(found) < 3:
        raise SpecError(
            f"task {name!r} has {len(found)} metrics of categories; a radar needs three",
            "name another task with --task, or draw bars",
        )
    _one_protocol(found)
    return found


def one_column(table: Table, settings: PlotSettings) -> Column:
    """The one metric that a figure is about.

    Raises:
        SpecError: The task or metric is unknown, isn't a fraction, or has several protocols.
    """
    name = _one_task(table, settings.task)
    columns = [c for c in table.columns if c.task == name]
    metric = settings.metric or columns[0].metric.name
    found = [c for c in columns if c.metric.name == metric]
    if not found:
        names = list(dict.fromkeys(c.metric.name for c in columns))
        hint = suggest(metric, names) or "it has: " + ", ".join(names)
        raise UnknownNameError(f"task {name!r} has no metric {metric!r}", hint)
    _one_protocol(found)
    if not is_fraction(found[0]):
        raise SpecError(f"{metric} of {name} isn't between 0 and 1", "name another with --metric")
    return found[0]


def series(table: Table, columns: Sequence[Column]) -> list[Series]:
    """The runs that have any of the columns, in the table's order."""
    places = [table.columns.index(column) for column in columns]
    made = [
        Series(name_of(row.label), row, [_value(row.cells[p]) for p in places])
        for row in table.rows
    ]
    return [one for one in made if any(value is not None for value in one.values)]


def name_of(text: str) -> str:
    """A name for a figure: one line, hidden characters visible, not too long."""
    shown = visible(one_line(text) if text.isprintable() else one_line(visible(text)))
    return shown if len(shown) <= _LABEL else shown[: _LABEL - 1] + "…"


def note_of(columns: Sequence[Column]) -> str:
    """The line that names the protocols."""
    named = dict.fromkeys(f"{name_of(c.task)} {c.protocol_hash}" for c in columns)
    return f"95% intervals; {', '.join(named)}"


def _value(cell: Cell) -> Value | None:
    found = cell.value
    if found is None or found.value is None:
        return None
    low, high = (math.nan if end is None else 100 * end for end in (found.low, found.high))
    return Value(100 * found.value, low, high)


def _one_task(table: Table, task: str | None) -> str:
    names = list(dict.fromkeys(column.task for column in table.columns))
    if task is not None:
        _check(table, task)
        return task
    if len(names) != 1:
        raise SpecError(
            "the figure is about one task", f"give --task; there are {', '.join(names)}"
        )
    return names[0]


def _check(table: Table, task: str) -> None:
    names = list(dict.fromkeys(column.task for column in table.columns))
    if task not in names:
        hint = suggest(task, names) or f"they have: {', '.join(names)}"
        raise UnknownNameError(f"the runs have no task {task!r}", hint)


def _one_protocol(columns: Sequence[Column]) -> None:
    if len({column.protocol_hash for column in columns}) > 1:
        apart = "; ".join(dict.fromkeys(column.qualifier for column in columns))
        raise SpecError(
            f"the runs have task {columns[0].task!r} under several protocols: {apart}",
            "name only runs of one protocol",
        )


def _some(columns: list[Column], wrong: str, remedy: str) -> list[Column]:
    if not columns:
        raise SpecError(wrong, remedy)
    return columns
