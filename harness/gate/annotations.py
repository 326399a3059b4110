"""A gate's report as workflow commands of GitHub Actions; text in them is escaped."""

from __future__ import annotations

from harness.gate.numbers import sentence
from harness.gate.records import GateReport, GateVerdict, MetricVerdict
from harness.text import one_line

__all__ = ["to_annotations"]

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def to_annotations(report: GateReport) -> str:
    """A line per metric that fails, couldn't be judged, or is undecided.

    Format: https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
    """
    lines = [
        _command(_level(found), f"{found.task} {found.metric.name}", sentence(found))
        for found in report.metrics
        if _level(found)
    ]
    for one in report.changed:
        text = "; ".join(one.details)
        lines.append(_command("error" if one.fails else "notice", f"{one.field} differs", text))
    return "".join(f"{line}\n" for line in lines)


def _level(found: MetricVerdict) -> str:
    if found.fails or found.verdict is GateVerdict.UNJUDGED:
        return "error"
    return "warning" if found.verdict is GateVerdict.UNDECIDED else ""


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={_escaped(title, _PROPERTY)}::{_escaped(text, _DATA)}"


def _escaped(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(character, character) for character in one_line(text))
