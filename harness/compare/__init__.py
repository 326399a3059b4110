"""Is the difference between two runs real? Paired differences, flipped samples, by task."""

from __future__ import annotations

from typing import Literal, TypeAlias

from harness.compare.comparison import compare_runs
from harness.compare.page import to_html
from harness.compare.records import Change, Comparison, Difference, Flip, Side, Skipped
from harness.compare.text import to_json, to_markdown

__all__ = [
    "Change",
    "Comparison",
    "Difference",
    "Flip",
    "Format",
    "Side",
    "Skipped",
    "compare_runs",
    "render",
]

Format: TypeAlias = Literal["md", "json", "html"]
"""Formats of a comparison."""

_RENDERERS = {"md": to_markdown, "json": to_json, "html": to_html}


def render(comparison: Comparison, format_: Format) -> str:
    """The comparison as text of a format."""
    return _RENDERERS[format_](comparison)
