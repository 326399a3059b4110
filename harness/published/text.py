"""A reproduction as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterator

from harness.layout import json_text, table_row
from harness.numbers import unit_writer
from harness.published.records import Line, Reproduction, Verdict
from harness.text import markdown

__all__ = ["number_text", "to_json", "to_markdown"]

_HEAD = (
    "task",
    "metric",
    "published",
    "ours",
    "sampling [95%]",
    "difference [chance, 95%]",
    "verdict",
    "run",
)


def to_json(reproduction: Reproduction) -> str:
    """Everything, at full precision."""
    return json_text(reproduction)


def to_markdown(reproduction: Reproduction) -> str:
    """The table; below it the reasons, what was left out, and commands for what is missing."""
    parts = (_table, _reasons, _left_out, _missing, _variants)
    shown = ("\n".join(part(reproduction)) for part in parts)
    return "\n\n".join(filter(None, shown)) + "\n"


def number_text(value: float | None, unit: str) -> str:
    """A number as readers expect it: fractions in percent.

    Example:
        >>> number_text(0.704, ""), number_text(584.0, "points"), number_text(None, "")
        ('70.4', '584 points', '-')
    """
    return "-" if value is None else unit_writer(unit)(value)


def _table(reproduction: Reproduction) -> Iterator[str]:
    yield f"Published numbers of {markdown(reproduction.model)}, and ours (fractions in percent)"
    yield ""
    yield table_row(_HEAD)
    yield table_row(("---", "---", "---:", "---:", "---:", "---:", "---", "---"))
    for line in reproduction.lines:
        yield table_row(_cells(line))


def _cells(line: Line) -> tuple[str, ...]:
    number, ours = line.published, line.ours
    published = number_text(number.ours, line.unit if ours else "")
    if ours is None:
        published = f"{number.written} ({markdown(number.unit)})"
        run = _run(line) or "-"
        return number.task, number.metric, published, "-", "-", "-", line.verdict.value, run
    low, high = (number_text(end, line.unit) for end in (ours.low, ours.high))
    return (
        number.task,
        number.metric,
        published,
        number_text(ours.value, line.unit),
        f"[{low}, {high}]",
        _difference(line),
        line.verdict.value,
        _run(line),
    )


def _run(line: Line) -> str:
    return markdown(f"{line.run} ({line.variant})" if line.variant else line.run)


def _difference(line: Line) -> str:
    write = unit_writer(line.unit)
    if line.difference_low is None or line.difference_high is None:
        return write(line.difference, sign=True)
    ends = (line.difference_low, line.difference_high)
    low, high = (write.bare(end, sign=True) for end in ends)
    return f"{write(line.difference, sign=True)} [{low}, {high}]"


def _reasons(reproduction: Reproduction) -> Iterator[str]:
    for line in reproduction.lines:
        if line.verdict is not Verdict.NOT_RUN and line.reasons:
            name = f"{line.published.task} {line.published.metric}, {line.run} ({line.protocol})"
            yield f"- {markdown(name)}: {markdown('; '.join(line.reasons))}"
    sources = dict.fromkeys(f"{n.published.kind}: {n.published.source}" for n in reproduction.lines)
    yield f"- sources: {markdown('; '.join(sources))}"


def _left_out(reproduction: Reproduction) -> Iterator[str]:
    if reproduction.left_out:
        yield "Published, and left out above:"
        yield ""
    for one in reproduction.left_out:
        yield f"- {markdown(f'{one.published.task} {one.published.metric}: {one.reason}')}"


def _missing(reproduction: Reproduction) -> Iterator[str]:
    if reproduction.missing:
        yield f"Not run: {', '.join(reproduction.missing)}. This runs them:"
        yield ""
        yield f"    {reproduction.command}"


def _variants(reproduction: Reproduction) -> Iterator[str]:
    if reproduction.variant_commands:
        yield "By which protocol a number was published isn't always stated. These run the others:"
        yield ""
    for command in reproduction.variant_commands:
        yield f"    {command}"
