"""Do two judges agree on the same responses? Kappa, score differences, and where they part."""

from __future__ import annotations

from typing import Literal, TypeAlias

from harness.agreement.kappa import Kappa, cohen_kappa
from harness.agreement.measuring import measure_agreement
from harness.agreement.records import Agreement, Disagreement, JudgeSide, TaskAgreement
from harness.agreement.text import to_json, to_markdown

__all__ = [
    "Agreement",
    "Disagreement",
    "Format",
    "JudgeSide",
    "Kappa",
    "TaskAgreement",
    "cohen_kappa",
    "measure_agreement",
    "render",
]

Format: TypeAlias = Literal["md", "json"]
"""Formats of an agreement."""

_RENDERERS = {"md": to_markdown, "json": to_json}


def render(agreement: Agreement, format_: Format) -> str:
    """The agreement as text of a format."""
    return _RENDERERS[format_](agreement)
