"""Do two runs of the same weights give the same responses? Answers, log-likelihoods, scores."""

from __future__ import annotations

from typing import Literal, TypeAlias

from harness.parity.measuring import measure_parity
from harness.parity.records import Apart, Measure, Parity, TaskParity, Weights
from harness.parity.text import to_json, to_markdown

__all__ = [
    "Apart",
    "Format",
    "Measure",
    "Parity",
    "TaskParity",
    "Weights",
    "measure_parity",
    "render",
]

Format: TypeAlias = Literal["md", "json"]
"""Formats of a parity report."""

_RENDERERS = {"md": to_markdown, "json": to_json}


def render(parity: Parity, format_: Format) -> str:
    """The report as text of a format."""
    return _RENDERERS[format_](parity)
