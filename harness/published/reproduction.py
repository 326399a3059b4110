"""A model's published numbers beside those of runs, with reasons why they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from harness.errors import BenchError
from harness.names import suggest
from harness.published.chance import (
    FLIPS,
    Chance,
    chance_of_draws,
    chance_of_flips,
    columns_of,
)
from harness.published.numbers import TRAINING, PublishedNumber, numbers_of
from harness.published.obstacles import Found, obstacles
from harness.published.records import LeftOut, Line, Reproduction, Verdict
from harness.records import (
    MetricSpec,
    MetricValue,
    Modality,
    Suite,
    SuiteEntry,
    TaskPlan,
    TaskResult,
)
from harness.registry import tasks
from harness.sources import Source, open_source

__all__ = ["reproduce"]


class _Variant(NamedTuple):
    """One protocol by which a task's numbers may have been published."""

    suite: str
    entry: SuiteEntry


_Variants: TypeAlias = Mapping[str, Sequence[_Variant]]
"""Protocols by the task under whose name they were published."""


class _Setting(NamedTuple):
    """What every line is judged by."""

    variants: _Variants
    names: frozenset[str]
    flips: float


def reproduce(
    model: str,
    numbers: Iterable[PublishedNumber],
    folders: Sequence[Path],
    suite: Suite,
    run_as: str,
    *,
    variants: Sequence[Suite] = (),
    flips: float = FLIPS,
) -> Reproduction:
    """Put a model's published numbers beside those of runs.

    Args:
        model: The model, as its authors call it; case doesn't matter.
        numbers: Published numbers of any models.
        folders: Runs or baselines.
        suite: The published protocol of each task.
        run_as: How the model is named on the command line.
        variants: Other protocols by which the same numbers may have been published.
        flips: Share of greedy answers that other kernels or another precision flip, 0 to 1.

    Raises:
        LedgerError: A run can't be read.
        UnknownNameError: Nothing is published of the model.
    """
    protocols = _by_published_task((suite, *variants))
    wanted, left_out = _sorted_out(numbers_of(model, numbers), protocols, suite)
    setting = _Setting(
        protocols, frozenset((model.lower(), run_as.partition(":")[0].lower())), flips
    )
    found = list(_results(folders, _metrics(wanted, protocols)))
    lines = [line for number in wanted for line in _lines(number, found, setting)]
    missing = tuple(
        dict.fromkeys(line.published.task for line in lines if line.verdict is Verdict.NOT_RUN)
    )
    return Reproduction(
        model=model,
        lines=tuple(lines),
        missing=missing,
        command=_command(suite, missing, run_as) if missing else "",
        left_out=tuple(left_out),
        variant_commands=tuple(_variant_commands(variants, lines, run_as)),
    )


def _by_published_task(suites: Iterable[Suite]) -> dict[str, list[_Variant]]:
    found: dict[str, list[_Variant]] = {}
    for suite in suites:
        for entry in suite.entries:
            variant = _Variant(suite.name, entry)
            found.setdefault(entry.published_as or entry.task, []).append(variant)
    return found


def _sorted_out(
    numbers: Iterable[PublishedNumber], protocols: _Variants, suite: Suite
) -> tuple[list[PublishedNumber], list[LeftOut]]:
    """Those that may have one of ours beside them, and the others with the reason."""
    wanted, left_out = [], []
    for number in numbers:
        reason = _why_left_out(number, protocols, suite)
        if reason:
            left_out.append(LeftOut(published=number, reason=reason))
        else:
            wanted.append(number)
    return wanted, left_out


def _why_left_out(number: PublishedNumber, protocols: _Variants, suite: Suite) -> str:
    if number.task == TRAINING:
        return "what training cost; the command versus shows it"
    if number.task not in protocols:
        return _and_hint(
            f"the suite {suite.name} has no such task", suggest(number.task, protocols)
        )
    known = _known_metrics(protocols[number.task])
    if known and number.metric not in known:
        return _and_hint("the task has no such metric", suggest(number.metric, known))
    return ""


def _and_hint(reason: str, hint: str) -> str:
    return f"{reason}; {hint}" if hint else reason


def _known_metrics(variants: Iterable[_Variant]) -> set[str]:
    """Metrics of the tasks as they're here; empty if none is."""
    known: set[str] = set()
    for variant in variants:
        try:
            known |= {spec.name for spec in tasks().get(variant.entry.task).metadata.metrics}
        except BenchError:  # runs of it can be read nevertheless
            continue
    return known


def _metrics(wanted: Iterable[PublishedNumber], protocols: _Variants) -> frozenset[tuple[str, str]]:
    """Tasks and metrics of ours that some published number may be compared with."""
    return frozenset(
        (variant.entry.task, number.metric)
        for number in wanted
        for variant in protocols[number.task]
    )


def _results(folders: Sequence[Path], wanted: frozenset[tuple[str, str]]) -> Iterator[Found]:
    for folder in folders:
        with open_source(folder) as source:
            for result in source.results():
                plan = source.plan(result.task)
                if plan is not None:
                    yield _found(source, plan, result, wanted)


def _found(
    source: Source, plan: TaskPlan, result: TaskResult, wanted: frozenset[tuple[str, str]]
) -> Found:
    specs = [spec for spec in plan.metadata.metrics if (plan.task, spec.name) in wanted]
    columns = columns_of(source.scored(plan.task), specs) if specs else {}
    return Found(source.label, source.manifest, plan, result, columns)


def _lines(number: PublishedNumber, found: Sequence[Found], setting: _Setting) -> list[Line]:
    variants = setting.variants[number.task]
    ours = {variant.entry.task for variant in variants}
    lines = [_line(number, one, setting) for one in found if one.plan.task in ours]
    return lines or [Line(published=number, verdict=Verdict.NOT_RUN)]


def _line(number: PublishedNumber, one: Found, setting: _Setting) -> Line:
    variants = setting.variants[number.task]
    variant, against = _closest(one, variants, setting.names)
    line = Line(
        published=number,
        verdict=Verdict.ABSENT,
        run=one.label,
        variant=variant.suite if len(variants) > 1 else "",
        protocol=f"{one.plan.protocol.id} {one.plan.protocol.hash}",
        reasons=(*against, *_remarks(number, one), *_which(variant, variants)),
    )
    value = next((value for value in one.result.metrics if value.name == number.metric), None)
    spec = next((spec for spec in one.plan.metadata.metrics if spec.name == number.metric), None)
    if value is None or value.value is None or spec is None:
        return line
    chance = _chance(number, one, value, spec, setting.flips)
    difference = value.value - number.ours
    interval = chance and (difference - chance.below, difference + chance.above)
    return msgspec.structs.replace(
        line,
        verdict=Verdict.NOT_COMPARABLE if against else _verdict(interval),
        ours=value,
        unit=spec.unit,
        difference=difference,
        difference_low=interval and interval[0],
        difference_high=interval and interval[1],
        reasons=(*line.reasons, *((chance.why,) if chance else ())),
    )


def _closest(
    one: Found, variants: Sequence[_Variant], names: frozenset[str]
) -> tuple[_Variant, tuple[str, ...]]:
    """The published protocol that a run comes closest to, and what sets it apart from that."""
    tried = [
        (variant, tuple(obstacles(one, variant.entry.options, names)))
        for variant in variants
        if variant.entry.task == one.plan.task
    ]
    return min(tried, key=lambda pair: len(pair[1]))


def _drawn(one: Found) -> bool:
    """Whether chance is in the published number as it is in ours: new pictures every time."""
    return Modality.IMAGE in one.plan.metadata.outputs


def _chance(
    number: PublishedNumber, one: Found, value: MetricValue, spec: MetricSpec, flips: float
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


def _remarks(number: PublishedNumber, one: Found) -> Iterator[str]:
    """What a reader must know besides."""
    if number.kind != "paper":
        yield f"the published number is {number.kind}"
    if one.manifest.model.control:
        yield f"{one.manifest.model.name} is a control"
    if number.note:
        yield number.note


def _which(variant: _Variant, variants: Sequence[_Variant]) -> Iterator[str]:
    if len(variants) > 1:
        others = ", ".join(one.suite for one in variants if one != variant)
        yield f"compared with {variant.suite}; it may have been published by {others} as well"


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


def _variant_commands(
    variants: Iterable[Suite], lines: Sequence[Line], run_as: str
) -> Iterator[str]:
    """Commands for the variants of published numbers that no run can be compared with."""
    published = {line.published.task for line in lines}
    compared = {
        line.variant for line in lines if line.verdict in (Verdict.REPRODUCED, Verdict.DIFFERS)
    }
    for suite in variants:
        theirs = {entry.published_as or entry.task for entry in suite.entries}
        if suite.name not in compared and theirs & published:
            yield (
                f"cheers-bench run --suite {suite.name} --model {run_as} --out runs/{suite.name}"
            )
