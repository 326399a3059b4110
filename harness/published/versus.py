"""Two models side by side: scores, vision tokens, latency, memory, training; published apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import ProtocolMismatchError
from harness.published.numbers import PublishedNumber
from harness.published.text import number_text
from harness.records import MetricSpec, Record
from harness.sources import Source, open_source
from harness.text import markdown

__all__ = ["Pair", "Versus", "versus", "versus_markdown"]

_PAIR = 2


class Pair(Record, frozen=True, kw_only=True):
    """One quantity of both models."""

    task: str
    """Our task, or `training`."""

    metric: str
    """What is compared."""

    first: float | None
    """Of the first model; `None` if it isn't known."""

    second: float | None
    """Of the second model."""

    unit: str
    """Unit; empty for a fraction."""

    note: str = ""
    """What a reader must know; of a measured pair, why it mustn't be compared."""


class Versus(Record, frozen=True, kw_only=True):
    """Two models side by side."""

    models: tuple[str, str]
    """Names of published rows."""

    labels: tuple[str, str]
    """Labels of measured rows; empty without runs."""

    published: tuple[Pair, ...]
    """What others published."""

    measured: tuple[Pair, ...]
    """What was measured here."""


class _Measured(NamedTuple):
    value: float | None
    protocol: str
    spec: MetricSpec


def versus(
    models: tuple[str, str], numbers: Iterable[PublishedNumber], folders: Sequence[Path]
) -> Versus:
    """Put two models side by side.

    Args:
        models: Their names in published rows.
        numbers: Published numbers of any models.
        folders: No run, or one of each model, in the same order.

    Raises:
        ProtocolMismatchError: There is one run, or more than two.
    """
    if len(folders) not in (0, _PAIR):
        raise ProtocolMismatchError(
            f"{len(folders)} runs for two models", "give one run of each model, or none"
        )
    labels: tuple[str, str] = ("", "")
    measured: tuple[Pair, ...] = ()
    if folders:
        with open_source(folders[0]) as one, open_source(folders[1]) as other:
            labels = (one.label, other.label)
            measured = tuple(_measured(one, other))
    return Versus(
        models=models,
        labels=labels,
        published=tuple(_published(models, numbers)),
        measured=measured,
    )


def _published(models: tuple[str, str], numbers: Iterable[PublishedNumber]) -> Iterator[Pair]:
    sides: tuple[dict[tuple[str, str], PublishedNumber], ...] = ({}, {})
    for number in numbers:
        for side, model in zip(sides, models, strict=True):
            if number.model.lower() == model.lower():
                side.setdefault((number.task, number.metric), number)
    for key in dict.fromkeys((*sides[0], *sides[1])):
        one, other = (side.get(key) for side in sides)
        shown = one or other
        assert shown is not None  # noqa: S101 -- the key is from one of them
        yield Pair(
            task=key[0],
            metric=key[1],
            first=one.value if one else None,
            second=other.value if other else None,
            unit=shown.unit,
            note="; ".join(dict.fromkeys(n.note for n in (one, other) if n and n.note)),
        )


def _measured(one: Source, other: Source) -> Iterator[Pair]:
    sides = tuple(dict(_values(source)) for source in (one, other))
    for key in dict.fromkeys((*sides[0], *sides[1])):
        first, second = (side.get(key) for side in sides)
        known = first or second
        assert known is not None  # noqa: S101 -- the key is from one of them
        alike = first is None or second is None or first.protocol == second.protocol
        yield Pair(
            task=key[0],
            metric=key[1],
            first=first.value if first else None,
            second=second.value if second else None,
            unit=known.spec.unit,
            note="" if alike else "not comparable: two protocols",
        )


def _values(source: Source) -> Iterator[tuple[tuple[str, str], _Measured]]:
    """Primary metrics, and all that are measured in some unit: seconds, tokens, memory."""
    for result in source.results():
        plan = source.plan(result.task)
        if plan is None:
            continue
        specs = {spec.name: spec for spec in plan.metadata.metrics}
        for value in result.metrics:
            spec = specs.get(value.name)
            if spec is not None and (spec == plan.metadata.primary or spec.unit):
                yield (result.task, spec.name), _Measured(value.value, plan.protocol.hash, spec)


def versus_markdown(table: Versus) -> str:
    """Two tables, published and measured, never mixed."""
    return "\n".join(
        [
            *_section("Published", table.models, table.published, published=True),
            *_section("Measured here", table.labels, table.measured, published=False),
        ]
    )


def _section(
    title: str, names: tuple[str, str], pairs: Sequence[Pair], *, published: bool
) -> Iterator[str]:
    if not pairs:
        return
    yield f"## {title}"
    yield ""
    yield f"| task | metric | {markdown(names[0])} | {markdown(names[1])} | |"
    yield "| --- | --- | ---: | ---: | --- |"
    for pair in pairs:
        first, second = (
            _plain(value, pair.unit) if published else number_text(value, pair.unit)
            for value in (pair.first, pair.second)
        )
        note = "; ".join(filter(None, (pair.unit if published else "", pair.note)))
        yield f"| {pair.task} | {markdown(pair.metric)} | {first} | {second} | {markdown(note)} |"
    yield ""


def _plain(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if unit == "count" else f"{value:g}"
