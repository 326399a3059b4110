"""Leaderboards: tables that refuse to mix protocols."""

from __future__ import annotations

from typing import Literal, TypeAlias

from harness.leaderboard.page import to_html
from harness.leaderboard.table import Cell, Column, Row, Table, build_table
from harness.leaderboard.text import to_csv, to_json, to_latex, to_markdown

__all__ = ["Cell", "Column", "Format", "Row", "Table", "build_table", "render"]

Format: TypeAlias = Literal["md", "csv", "json", "tex", "html"]
"""Formats of a table."""

_RENDERERS = {
    "md": to_markdown,
    "csv": to_csv,
    "json": to_json,
    "tex": to_latex,
    "html": to_html,
}


def render(table: Table, format_: Format) -> str:
    """The table as text of a format."""
    return _RENDERERS[format_](table)
