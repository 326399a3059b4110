"""The table as one self-contained HTML page: no request leaves it, everything is escaped."""

from __future__ import annotations

from typing import Any

from harness.leaderboard.numbers import (
    arrow,
    interval_text,
    value_text,
    verdict_text,
)
from harness.leaderboard.published import TITLE, published_heading, published_text
from harness.leaderboard.table import Cell, Column, Table
from harness.pages import render_page
from harness.published.table import PublishedTable, remarks
from harness.records import TaskStatus

__all__ = ["cell_view", "published_view", "to_html"]


def to_html(table: Table) -> str:
    """The page."""
    return render_page(
        "harness.leaderboard",
        "page",
        table=table,
        view=cell_view,
        arrow=arrow,
        published=published_view(table.published),
    )


def published_view(published: PublishedTable | None) -> dict[str, Any] | None:
    """What the template shows of published numbers; `None` if there are none."""
    if published is None:
        return None
    return {
        "title": TITLE,
        "headings": [published_heading(column) for column in published.columns],
        "rows": [(row.model, [*map(published_text, row.cells)]) for row in published.rows],
        "remarks": list(remarks(published)),
    }


def cell_view(cell: Cell, column: Column) -> dict[str, Any]:
    """What the template shows of a cell."""
    absent, lacking = cell.status is None, cell.status is TaskStatus.NOT_APPLICABLE
    known = cell.value is not None and cell.value.value is not None
    return {
        "text": "-" if absent else "n/a" if lacking else value_text(cell, column),
        "sort": cell.value.value if known and cell.value else "",
        "interval": interval_text(cell, column),
        "incomplete": cell.status is TaskStatus.INCOMPLETE,
        "known": sum(cell.verdicts.get(name, 0) for name in ("ok", "wrong", "unparsed")),
        "verdicts": verdict_text(cell),
        "bar": _bar(cell, column),
    }


def _bar(cell: Cell, column: Column) -> dict[str, float] | None:
    """Value and interval in percent of the column's range, for fractions only."""
    value, metric = cell.value, column.metric
    if value is None or value.value is None or (metric.low, metric.high) != (0.0, 1.0):
        return None
    low = value.value if value.low is None else value.low
    high = value.value if value.high is None else value.high
    return {"value": 100 * value.value, "low": 100 * low, "width": 100 * (high - low)}
