"""A gate's report as text for a terminal, Markdown for a job's summary, and JSON."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from harness.gate.numbers import headline, readable, remarks
from harness.gate.records import GateReport
from harness.layout import json_text, table_row
from harness.numbers import level_text
from harness.text import markdown, one_line

__all__ = ["Format", "render", "to_json", "to_markdown", "to_text"]

Format: TypeAlias = Literal["text", "md", "json"]
"""Formats of a report."""

_HEAD = ("task", "verdict", "baseline", "candidate", "change", "margin", "sees", "n")


def render(report: GateReport, format_: Format) -> str:
    """The report as text of a format."""
    return {"text": to_text, "md": to_markdown, "json": to_json}[format_](report)


def to_json(report: GateReport) -> str:
    """The whole report at full precision, with outcome and exit code."""
    whole = {
        "outcome": report.outcome,
        "exit_code": report.exit_code,
        **msgspec.to_builtins(report),
    }
    return json_text(whole)


def to_text(report: GateReport) -> str:
    """Aligned columns and remarks."""
    rows = [_HEAD, *(readable(found) for found in report.metrics)]
    notes = [f"- {one_line(remark)}" for remark in remarks(report)]
    lines = [one_line(f"{headline(report)} ({_sides(report)})"), "", *_aligned(rows)]
    legend = one_line(_legend(report))
    return "\n".join([*lines, *([""] if notes else []), *notes, "", legend, ""])


def to_markdown(report: GateReport) -> str:
    """A heading, a table and remarks. Names and reasons are hostile input."""
    rows = [_HEAD, ("---", "---", *["---:"] * 6)]
    rows += [tuple(map(markdown, readable(found))) for found in report.metrics]
    table = [table_row(row) for row in rows]
    notes = [f"- {markdown(remark)}" for remark in remarks(report)]
    head = [f"### {markdown(headline(report))}", "", markdown(_sides(report)), ""]
    legend = markdown(_legend(report))
    return "\n".join([*head, *table, "", *notes, *([""] if notes else []), legend, ""])


def _sides(report: GateReport) -> str:
    one, other = report.baseline, report.candidate
    return f"{other.label} in {other.folder} against {one.label} in {one.folder}"


def _legend(report: GateReport) -> str:
    return (
        f"Change: candidate minus baseline over the same samples, with its {_levels(report)}; "
        "fractions in percent. Sees: the smallest true drop that this gate calls a regression "
        "with a chance of 80%."
    )


def _levels(report: GateReport) -> str:
    """The intervals' levels: the policy's, and which metrics have another by their rule."""
    usual = 1 - 2 * report.policy.alpha
    others = [
        f"{level_text(found.level)} of {readable(found).name}"
        for found in report.metrics
        if found.level is not None and found.level != usual
    ]
    return f"{level_text(usual)} interval" + (f" ({', '.join(others)})" if others else "")


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    shown = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
