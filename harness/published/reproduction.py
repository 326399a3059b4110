"""A model's published numbers beside those of runs, with reasons why they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from harness.columns import ScoreColumn
from harness.errors import BenchError
from harness.published.chance import (
    FLIPS,
    Chance,
    chance_of_draws,
    chance_of_flips,
    columns_of,
)
from harness.published.numbers import TRAINING, PublishedNumber
from harness.records import (
    JsonValue,
    MetricSpec,
    MetricValue,
    Modality,
    Record,
    RunManifest,
    Suite,
    TaskPlan,
    TaskResult,
    TaskStatus,
)
from harness.registry import tasks
from harness.sources import Source, open_source

__all__ = ["Line", "Reproduction", "Verdict", "reproduce"]


class Verdict(StrEnum):
    """What became of a published number."""

    REPRODUCED = "reproduced within noise"
    """Chance alone may give the difference: its interval contains 0."""

    DIFFERS = "differs"
    """It doesn't."""

    NOT_COMPARABLE = "not comparable"
    """Ours is of another model, of other data, options or samples, or has no interval."""

    NOT_RUN = "not run"
    """No run has the task with a number."""


class Line(Record, frozen=True, kw_only=True):
    """One published number beside ours."""

    published: PublishedNumber
    """The number."""

    verdict: Verdict
    """What became of it."""

    run: str = ""
    """Label of the run that ours is from."""

    protocol: str = ""
    """Protocol of ours: its name and hash."""

    ours: MetricValue | None = None
    """Our number with its interval."""

    unit: str = ""
    """Its unit; empty for a fraction."""

    difference: float | None = None
    """Ours minus the published one, in our unit."""

    difference_low: float | None = None
    """Lower end of the difference as far as chance may move it, at 95%; see `chance`. How the
    number would vary with other questions isn't in it: that's the interval of `ours`."""

    difference_high: float | None = None
    """Upper end."""

    reasons: tuple[str, ...] = ()
    """What sets the two apart besides chance."""


class Reproduction(Record, frozen=True, kw_only=True):
    """All published numbers of a model."""

    model: str
    """The model, as its authors call it."""

    lines: tuple[Line, ...]
    """In the order of the published numbers; one for each run that has the task."""

    missing: tuple[str, ...]
    """Tasks that no run has."""

    command: str
    """What runs them; empty if nothing is missing."""


class _Found(NamedTuple):
    label: str
    manifest: RunManifest
    plan: TaskPlan
    result: TaskResult
    columns: Mapping[str, ScoreColumn]
    """Scores of the metrics that were published."""


def reproduce(
    model: str,
    numbers: Iterable[PublishedNumber],
    folders: Sequence[Path],
    suite: Suite,
    run_as: str,
    *,
    flips: float = FLIPS,
) -> Reproduction:
    """Put a model's published numbers beside those of runs.

    Args:
        model: The model, as its authors call it; case doesn't matter.
        numbers: Published numbers of any models.
        folders: Runs or baselines.
        suite: The published protocol of each task.
        run_as: How the model is named on the command line.
        flips: Share of greedy answers that other kernels or another precision flip, 0 to 1.

    Raises:
        LedgerError: A run can't be read.
    """
    wanted = [n for n in numbers if n.model.lower() == model.lower() and n.task != TRAINING]
    known = {entry.task for entry in suite.entries}
    wanted = [number for number in wanted if number.task in known and " " not in number.metric]
    metrics = frozenset((number.task, number.metric) for number in wanted)
    found = list(_results(folders, metrics))
    protocols = {entry.task: entry.options for entry in suite.entries}
    names = frozenset((model.lower(), run_as.partition(":")[0].lower()))
    lines = [line for number in wanted for line in _lines(number, found, protocols, names, flips)]
    missing = tuple(
        dict.fromkeys(line.published.task for line in lines if line.verdict is Verdict.NOT_RUN)
    )
    return Reproduction(
        model=model,
        lines=tuple(lines),
        missing=missing,
        command=_command(suite, missing, run_as) if missing else "",
    )


def _results(folders: Sequence[Path], wanted: frozenset[tuple[str, str]]) -> Iterator[_Found]:
    for folder in folders:
        with open_source(folder) as source:
            for result in source.results():
                plan = source.plan(result.task)
                if plan is not None:
                    yield _found(source, plan, result, wanted)


def _found(
    source: Source, plan: TaskPlan, result: TaskResult, wanted: frozenset[tuple[str, str]]
) -> _Found:
    specs = [spec for spec in plan.metadata.metrics if (plan.task, spec.name) in wanted]
    columns = columns_of(source.scored(plan.task), specs) if specs else {}
    return _Found(source.label, source.manifest, plan, result, columns)


def _lines(
    number: PublishedNumber,
    found: Sequence[_Found],
    protocols: Mapping[str, Mapping[str, JsonValue]],
    names: frozenset[str],
    flips: float,
) -> list[Line]:
    lines = [
        _line(
            number,
            one,
            value,
            spec,
            tuple(_obstacles(one, protocols[number.task], names)),
            flips=flips,
        )
        for one in found
        if one.plan.task == number.task
        for value, spec in _values(one, number.metric)
    ]
    return lines or [Line(published=number, verdict=Verdict.NOT_RUN)]


def _values(one: _Found, metric: str) -> Iterator[tuple[MetricValue, MetricSpec]]:
    specs = {spec.name: spec for spec in one.plan.metadata.metrics}
    for value in one.result.metrics:
        if value.name == metric and value.value is not None and metric in specs:
            yield value, specs[metric]


def _line(
    number: PublishedNumber,
    one: _Found,
    value: MetricValue,
    spec: MetricSpec,
    obstacles: tuple[str, ...],
    *,
    flips: float,
) -> Line:
    assert value.value is not None  # noqa: S101 -- `_values` leaves the others out
    chance = _chance(number, one, value, spec, flips)
    difference = value.value - number.ours
    interval = chance and (difference - chance.below, difference + chance.above)
    return Line(
        published=number,
        verdict=Verdict.NOT_COMPARABLE if obstacles else _verdict(interval),
        run=one.label,
        protocol=f"{one.plan.protocol.id} {one.plan.protocol.hash}",
        ours=value,
        unit=spec.unit,
        difference=difference,
        difference_low=interval and interval[0],
        difference_high=interval and interval[1],
        reasons=(*obstacles, *_remarks(number, one), *((chance.why,) if chance else ())),
    )


def _drawn(one: _Found) -> bool:
    """Whether chance is in the published number as it is in ours: new pictures every time."""
    return Modality.IMAGE in one.plan.metadata.outputs


def _chance(
    number: PublishedNumber, one: _Found, value: MetricValue, spec: MetricSpec, flips: float
) -> Chance | None:
    """What chance may do to the difference."""
    column = one.columns[spec.name]
    if _drawn(one):
        return chance_of_draws(spec, column, value, number.rounding)
    return chance_of_flips(spec, column, value, number.rounding, flips)


def _verdict(interval: tuple[float, float] | None) -> Verdict:
    if interval is None:
        return Verdict.NOT_COMPARABLE
    return Verdict.REPRODUCED if interval[0] <= 0 <= interval[1] else Verdict.DIFFERS


def _remarks(number: PublishedNumber, one: _Found) -> Iterator[str]:
    """What a reader must know besides."""
    if number.kind != "paper":
        yield f"the published number is {number.kind}"
    if one.manifest.model.control:
        yield f"{one.manifest.model.name} is a control"
    if number.note:
        yield number.note


def _obstacles(
    one: _Found, official: Mapping[str, JsonValue], names: frozenset[str]
) -> Iterator[str]:
    """Why ours isn't the number that was published."""
    protocol = one.plan.protocol
    if one.manifest.model.name.lower() not in names:
        yield f"the run is of model {one.manifest.model.name}"
    if one.result.status is not TaskStatus.COMPLETE:
        yield "the run is incomplete"
    if protocol.limit is not None:
        yield f"only the first {protocol.limit} samples were run"
    if protocol.dataset.name.endswith("-file"):
        yield "the data aren't the official file"
    for name, value in official.items():
        given = one.plan.options.get(name)
        if given != value:
            shown = "the default" if given is None else given
            yield f"{name} is {shown}, published with {value}"
    for name, value in protocol.options.items():
        if name not in official:
            yield f"{name} is {value}, published with the default"
    asked = _decoding(one.plan.task, official)
    for name, value in protocol.decoding.items():
        if asked is not None and asked.get(name) != value:
            yield f"{name} is {value}, published with {asked.get(name, 'what the model has')}"
    if "dataset" in one.plan.options and protocol.dataset.name != one.plan.metadata.dataset.name:
        yield f"the data are {protocol.dataset.name}"


def _decoding(task: str, official: Mapping[str, JsonValue]) -> Mapping[str, JsonValue] | None:
    """Decoding that the published protocol demands; `None` if the task isn't here."""
    try:
        return tasks().get(task)(official).protocol(0).decoding
    except BenchError:
        return None


def _command(suite: Suite, missing: Sequence[str], run_as: str) -> str:
    """One command for what is missing; of the suite's tasks only those."""
    options = [
        f"--task-option {entry.task}.{name}={value}"
        for entry in suite.entries
        if entry.task in missing
        for name, value in entry.options.items()
    ]
    named = [f"--task {task}" for task in missing]
    return " ".join(
        ["cheers-bench run", *named, *options, f"--model {run_as}", f"--out runs/{suite.name}"]
    )
