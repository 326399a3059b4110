"""Two models side by side: scores, vision tokens, latency, memory, training; published apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from harness.errors import ProtocolMismatchError
from harness.machines import why_not_timed_alike
from harness.published.numbers import PublishedNumber
from harness.records import MetricSpec, MetricValue, Record, TaskPlan, TaskStatus
from harness.sources import Source, open_source

__all__ = ["Measured", "MeasuredPair", "PublishedPair", "Versus", "versus"]

_PAIR = 2
_Published: TypeAlias = dict[tuple[str, str], list[PublishedNumber]]


class PublishedPair(Record, frozen=True, kw_only=True):
    """One quantity of both models, as it was published."""

    task: str
    """Our task, or `training`."""

    metric: str
    """What is compared."""

    first: PublishedNumber | None
    """Of the first model; `None` if it isn't known."""

    second: PublishedNumber | None
    """Of the second model."""


class Measured(Record, frozen=True, kw_only=True):
    """One number of a run."""

    value: MetricValue
    """The number with its interval and what it's of."""

    unit: str
    """Unit; empty for a fraction."""

    protocol: str
    """Hash of the protocol."""

    complete: bool
    """Whether every sample of the task has a known verdict."""


class MeasuredPair(Record, frozen=True, kw_only=True):
    """One quantity of both models, as it was measured here."""

    task: str
    """Our task."""

    metric: str
    """What is compared."""

    first: Measured | None
    """Of the first run; `None` if it has no such number."""

    second: Measured | None
    """Of the second run."""

    note: str = ""
    """Why the two mustn't be compared; empty if they may."""


class Versus(Record, frozen=True, kw_only=True):
    """Two models side by side."""

    models: tuple[str, str]
    """Names of published rows."""

    labels: tuple[str, str]
    """Labels of measured rows; empty without runs."""

    published: tuple[PublishedPair, ...]
    """What others published."""

    measured: tuple[MeasuredPair, ...]
    """What was measured here."""

    timing: str = ""
    """Why timings of the two runs can't be compared; empty if they can."""


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
    published = tuple(_published(models, numbers))
    if not folders:
        return Versus(models=models, labels=("", ""), published=published, measured=())
    with open_source(folders[0]) as one, open_source(folders[1]) as other:
        # Of two models, hours apart on one machine is the usual case.
        timing = why_not_timed_alike(one.manifest, other.manifest, math.inf)
        return Versus(
            models=models,
            labels=(one.label, other.label),
            published=published,
            measured=tuple(_measured(one, other, timing)),
            timing=timing,
        )


def _published(
    models: tuple[str, str], numbers: Iterable[PublishedNumber]
) -> Iterator[PublishedPair]:
    sides: tuple[_Published, _Published] = ({}, {})
    for number in numbers:
        for side, model in zip(sides, models, strict=True):
            if number.model.lower() == model.lower():
                side.setdefault((number.task, number.metric), []).append(number)
    for key in dict.fromkeys((*sides[0], *sides[1])):
        for first, second in _paired(*(side.get(key, []) for side in sides)):
            yield PublishedPair(task=key[0], metric=key[1], first=first, second=second)


def _paired(
    ones: Sequence[PublishedNumber], others: Sequence[PublishedNumber]
) -> Iterator[tuple[PublishedNumber | None, PublishedNumber | None]]:
    """All numbers of both: those of one source side by side, then the rest in their order."""
    left = list(others)
    alone = []
    for one in ones:
        match = next((other for other in left if other.source == one.source), None)
        if match is None:
            alone.append(one)
        else:
            left.remove(match)
            yield one, match
    yield from zip_longest(alone, left)


def _measured(one: Source, other: Source, timing: str) -> Iterator[MeasuredPair]:
    sides = tuple(dict(_values(source)) for source in (one, other))
    specs = dict(_specs(one)) | dict(_specs(other))
    for key in dict.fromkeys((*sides[0], *sides[1])):
        first, second = (side.get(key) for side in sides)
        yield MeasuredPair(
            task=key[0],
            metric=key[1],
            first=first,
            second=second,
            note=_why_not(first, second, specs[key], timing),
        )


def _why_not(first: Measured | None, second: Measured | None, spec: MetricSpec, timing: str) -> str:
    if first is None or second is None:
        return ""
    if first.protocol != second.protocol:
        return "not comparable: two protocols"
    return "not comparable: two machines" if timing and spec.is_timing else ""


def _values(source: Source) -> Iterator[tuple[tuple[str, str], Measured]]:
    specs = dict(_specs(source))
    for result in source.results():
        for value in result.metrics:
            spec = specs.get((result.task, value.name))
            if spec is not None:
                yield (
                    (result.task, value.name),
                    Measured(
                        value=value,
                        unit=spec.unit,
                        protocol=result.protocol_hash,
                        complete=result.status is TaskStatus.COMPLETE,
                    ),
                )


def _specs(source: Source) -> Iterator[tuple[tuple[str, str], MetricSpec]]:
    """Primary metrics, and all that are measured in some unit: seconds, tokens, memory."""
    for plan in source.manifest.tasks:
        for spec in plan.metadata.metrics:
            if _shown(spec, plan):
                yield (plan.task, spec.name), spec


def _shown(spec: MetricSpec, plan: TaskPlan) -> bool:
    return spec == plan.metadata.primary or bool(spec.unit)
