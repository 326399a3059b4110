"""Two models side by side as Markdown: two tables, published and measured, never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.layout import table_row
from harness.numbers import unit_writer
from harness.published.numbers import PublishedNumber
from harness.published.text import number_text
from harness.published.versus import Measured, MeasuredPair, PublishedPair, Versus
from harness.text import markdown

__all__ = ["versus_markdown"]


def versus_markdown(table: Versus) -> str:
    """Two tables, each number with its kind and source, or with its interval and n."""
    return "".join(f"{line}\n" for line in (*_published(table), *_here(table)))


def _published(table: Versus) -> Iterator[str]:
    if not table.published:
        return
    sources = _sources(table.published)
    yield from _head("Published", table.models)
    for pair in table.published:
        sides = (pair.first, pair.second)
        cells = (_with_source(number, sources) for number in sides)
        yield table_row(
            (pair.task, markdown(pair.metric), *cells, markdown(_remarks(sides, table.models)))
        )
    yield ""
    for source, place in sources.items():
        yield f"- [{place}] {markdown(source)}"
    yield ""


def _here(table: Versus) -> Iterator[str]:
    if not table.measured:
        return
    yield from _head("Measured here", table.labels)
    for pair in table.measured:
        cells = (_with_interval(one) for one in (pair.first, pair.second))
        note = "; ".join((*filter(None, (pair.note,)), *_incomplete(pair, table.labels)))
        yield table_row((pair.task, markdown(pair.metric), *cells, markdown(note)))
    yield ""
    if table.timing:
        yield f"Two machines: {markdown(table.timing)}."
        yield ""


def _head(title: str, names: tuple[str, str]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield f"| task | metric | {markdown(names[0])} | {markdown(names[1])} | |"
    yield "| --- | --- | ---: | ---: | --- |"


def _sources(pairs: Iterable[PublishedPair]) -> Mapping[str, int]:
    """Sources with their numbers in the table, from 1, as they come."""
    numbers = (number for pair in pairs for number in (pair.first, pair.second))
    found = dict.fromkeys(number.source for number in numbers if number is not None)
    return {source: place for place, source in enumerate(found, 1)}


def _with_source(number: PublishedNumber | None, sources: Mapping[str, int]) -> str:
    if number is None:
        return "-"
    return f"{number.written}, {number.kind} [{sources[number.source]}]"


def _remarks(
    sides: tuple[PublishedNumber | None, PublishedNumber | None], models: tuple[str, str]
) -> str:
    """Units and notes; what is said of one side alone names its model."""
    known = [number for number in sides if number is not None]
    units = " and ".join(dict.fromkeys(number.unit for number in known))
    notes = {number.note for number in known}
    if len(notes) == 1:
        return "; ".join(filter(None, (units, *notes)))
    named = (
        f"{model}: {number.note}"
        for model, number in zip(models, sides, strict=True)
        if number is not None and number.note
    )
    return "; ".join((units, *named))


def _with_interval(one: Measured | None) -> str:
    """A number as `70.4 [65.1, 75.0], n 1,500`."""
    if one is None or one.value.value is None:
        return "-"
    value, write = one.value, unit_writer(one.unit)
    count = f", n {value.n:,}" if value.n else ""
    if value.low is None or value.high is None:
        return f"{number_text(value.value, one.unit)}{count}"
    ends = f"[{write.bare(value.low)}, {write.bare(value.high)}]"
    return f"{number_text(value.value, one.unit)} {ends}{count}"


def _incomplete(pair: MeasuredPair, labels: tuple[str, str]) -> Iterator[str]:
    for label, one in zip(labels, (pair.first, pair.second), strict=True):
        if one is not None and not one.complete:
            yield f"{label} is incomplete"
