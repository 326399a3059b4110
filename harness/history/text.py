"""A history as Markdown and JSON. Labels and folders are hostile input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from harness.history.records import History, Series
from harness.layout import json_text, table_row
from harness.numbers import number_writer
from harness.text import markdown

__all__ = ["Format", "change_text", "render", "to_json", "to_markdown"]

Format: TypeAlias = Literal["md", "json"]
"""Formats of a history."""

_HEAD = ("run", "commit", "made", "value", "95% interval", "n", "")


def render(history: History, format_: Format) -> str:
    """The history as text of a format."""
    return to_markdown(history) if format_ == "md" else to_json(history)


def to_json(history: History) -> str:
    """The whole history at full precision."""
    return json_text(history)


def to_markdown(history: History) -> str:
    """A table per metric, with its first change marked."""
    lines = [line for series in history.series for line in _section(series)]
    return "\n".join([*lines, _LEGEND, ""])


_LEGEND = (
    "A change is the first clear one; p is adjusted for the number of tables (Holm). Runs over the "
    "same samples are compared cluster by cluster, so that intervals may overlap where a change is "
    "clear."
)


def change_text(series: Series) -> str:
    """The first change in one line, or that there's none, and what was searched for it."""
    return "; ".join([_found(series), *_limits(series)])


def _limits(series: Series) -> Iterator[str]:
    """What the search didn't see."""
    if series.known is not None and series.known != series.samples:
        yield f"searched over {series.known} of {series.samples} samples"
    left_out = [
        f"{point.label} ({point.incomplete})" for point in series.points if point.incomplete
    ]
    if left_out:
        yield f"left out of the search: {', '.join(left_out)}"


def _found(series: Series) -> str:
    if series.change is None:
        if series.p_adjusted is None:
            return f"no change was looked for: {series.note}"
        return f"no clear change (p = {series.p_adjusted:.3f})"
    write, change = number_writer(series.metric), series.change
    side = {True: " for the worse", False: " for the better", None: ""}[change.worse]
    point = series.points[change.place]
    commit = f" ({point.commit[:12]})" if point.commit else ""
    return (
        f"first change{side} at {point.label}{commit}: {write(change.before)} before, "
        f"{write(change.after)} after, p {_p(series.p_adjusted or 0.0)}"
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _section(series: Series) -> Iterator[str]:
    name = series.task if series.primary else f"{series.task} {series.metric.name}"
    yield f"### {markdown(name)} ({series.protocol_hash})"
    yield ""
    yield markdown(change_text(series))
    yield ""
    yield table_row(_HEAD)
    yield table_row(("---", "---", "---", *["---:"] * 3, "---"))
    write = number_writer(series.metric)
    for place, point in enumerate(series.points):
        value = point.value
        interval = "" if value.low is None else f"[{write(value.low)}, {write(value.high)}]"
        cells = (point.label, (point.commit or "")[:12], point.created, write(value.value))
        rest = (interval, str(value.n), markdown(_mark(series, place)))
        yield table_row((*map(markdown, cells), *rest))
    yield ""


def _mark(series: Series, place: int) -> str:
    if series.change is not None and series.change.place == place:
        return "first change"
    reason = series.points[place].incomplete
    return f"incomplete: {reason}" if reason else ""
