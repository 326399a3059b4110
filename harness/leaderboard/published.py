"""Published numbers below a leaderboard: a table of their own, in its own units."""

from __future__ import annotations

from harness.layout import table_row
from harness.published.numbers import PublishedNumber
from harness.published.table import PublishedColumn, PublishedTable, remarks
from harness.text import markdown

__all__ = ["TITLE", "published_heading", "published_markdown", "published_text"]

TITLE = "Published by others, not measured here: no protocol stands behind these numbers"
"""Stands above them in every format that has headings."""


def published_heading(column: PublishedColumn) -> str:
    """Task, metric and unit."""
    return f"{column.task} {column.metric} ({column.unit})"


def published_text(number: PublishedNumber | None) -> str:
    """A number as it was published, how it came to us unless it's off the paper, or a dash."""
    if number is None:
        return "-"
    return number.written if number.kind == "paper" else f"{number.written} ({number.kind})"


def published_markdown(table: PublishedTable) -> list[str]:
    """The table with its sources."""
    head = ["model", *(markdown(published_heading(column)) for column in table.columns)]
    rule = ["---", *["---:"] * len(table.columns)]
    rows = [[markdown(row.model), *map(published_text, row.cells)] for row in table.rows]
    notes = [f"- {markdown(model)}: {markdown(said)}" for model, said in remarks(table)]
    return [f"{TITLE}.", "", *map(table_row, [head, rule, *rows]), "", *notes, ""]
