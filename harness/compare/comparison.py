"""Comparing two runs, or baselines of runs, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.columns import ColumnBuilder
from harness.compare.categories import CategoryPairs
from harness.compare.measuring import adjusted, measure_difference
from harness.compare.records import Change, Comparison, Difference, Flip, Side, Skipped
from harness.errors import UnknownNameError
from harness.machines import why_not_timed_alike
from harness.names import suggest
from harness.pairing import pair_up
from harness.records import RunManifest, ScoredSample, TaskPlan
from harness.sources import Source, open_source

__all__ = ["compare_runs", "named_tasks", "paired_samples", "side_of", "why_not_comparable"]


def compare_runs(
    first: str | Path, second: str | Path, *, tasks: tuple[str, ...] = ()
) -> Comparison:
    """Compare every task that both runs have under one protocol.

    Args:
        first: Run folder or baseline that differences are taken from.
        second: Run folder or baseline that is judged.
        tasks: Only these tasks; empty is all.

    Raises:
        LedgerError: A path is neither run nor baseline, is damaged, or the two hold other samples
            under one protocol.
        UnknownNameError: One of `tasks` is in neither run.
    """
    differences: list[Difference] = []
    categories: list[Difference] = []
    flips: list[Flip] = []
    skipped: list[Skipped] = []
    with open_source(first) as one, open_source(second) as other:
        names = named_tasks((one.manifest, other.manifest), tasks)
        tests = sum(not why_not_comparable(one.plan(name), other.plan(name)) for name in names)
        for name in names:
            plan, rival = one.plan(name), other.plan(name)
            reason = why_not_comparable(plan, rival)
            if reason or plan is None:
                skipped.append(Skipped(task=name, reason=reason))
                continue
            found = _compare_task(plan, one, other, tests)
            differences += found.differences
            categories += found.categories
            flips += found.flips
        timings = _why_untimed(one, other, differences)
    if timings:
        differences, categories = (
            [_without_verdict(found) if found.metric.is_timing else found for found in several]
            for several in (differences, categories)
        )
    return Comparison(
        first=side_of(one),
        second=side_of(other),
        differences=tuple(adjusted(differences)),
        categories=tuple(categories),
        flips=tuple(flips),
        skipped=tuple(skipped),
        timings=timings,
    )


def _why_untimed(first: Source, second: Source, differences: list[Difference]) -> str:
    """Why timings can't be judged; empty if they can, or there are none."""
    if not any(difference.metric.is_timing for difference in differences):
        return ""
    return why_not_timed_alike(first.manifest, second.manifest)


def _without_verdict(difference: Difference) -> Difference:
    """What was measured, but not whether the second run is better."""
    return msgspec.structs.replace(
        difference,
        change=Change.UNJUDGED,
        p_value=None,
        p_method="",
        p_adjusted=None,
        detectable=None,
    )


class _Compared(NamedTuple):
    """One task."""

    differences: list[Difference]
    categories: list[Difference]
    flips: list[Flip]


def _compare_task(plan: TaskPlan, first: Source, second: Source, tests: int) -> _Compared:
    metrics, categories = plan.metadata.metrics, CategoryPairs(plan)
    builders = [(ColumnBuilder(spec), ColumnBuilder(spec)) for spec in metrics]
    flips = []
    for a, b in paired_samples(plan.task, first, second):
        for one, other in builders:
            if one.takes(a) and other.takes(b):
                one.add(a)
                other.add(b)
        categories.add(a, b)
        if a.outcome.verdict is not b.outcome.verdict:
            flips.append(_flip(plan.task, a, b))
    differences = [
        measure_difference(
            plan.task,
            one.spec,
            one.column(),
            other.column(),
            protocol_hash=plan.protocol.hash,
            primary=one.spec is metrics[0],
            tests=tests,
        )
        for one, other in builders
    ]
    return _Compared(differences, categories.differences(), flips)


def paired_samples(
    task: str, first: Source, second: Source
) -> Iterator[tuple[ScoredSample, ScoredSample]]:
    """Samples of both runs side by side; equal protocols plan equal samples in equal order.

    Raises:
        LedgerError: The runs hold other samples.
    """
    places = first.where, second.where
    remedy = (
        "one of the folders was changed by hand, or the task's data aren't pinned by its protocol; "
        "run it again"
    )
    yield from pair_up(task, first.scored(task), second.scored(task), places, remedy)


def _flip(task: str, a: ScoredSample, b: ScoredSample) -> Flip:
    return Flip(
        task=task,
        id=a.sample.id,
        k=a.sample.k,
        category=a.sample.category,
        first=a.outcome.verdict,
        second=b.outcome.verdict,
        first_reason=a.outcome.reason,
        second_reason=b.outcome.reason,
    )


def named_tasks(manifests: tuple[RunManifest, RunManifest], wanted: tuple[str, ...]) -> list[str]:
    """Tasks of either run, in order, or those that are wanted.

    Raises:
        UnknownNameError: Neither run has one that is wanted.
    """
    known = list(dict.fromkeys(plan.task for manifest in manifests for plan in manifest.tasks))
    for name in wanted:
        if name not in known:
            hint = suggest(name, known) or "they have: " + ", ".join(known)
            raise UnknownNameError(f"neither run has a task {name!r}", hint)
    return [name for name in known if not wanted or name in wanted]


def why_not_comparable(first: TaskPlan | None, second: TaskPlan | None) -> str:
    """Why a task of two runs can't be compared; empty if it can."""
    from harness.run.folder import differences

    if first is None or second is None:
        return f"only the {'first' if second is None else 'second'} run has it"
    if not (first.applicable and second.applicable):
        return "a model lacks a capability that it needs"
    if first.protocol.hash != second.protocol.hash:
        lines = differences(first.protocol, second.protocol)
        return "other protocol: " + "; ".join(line.strip() for line in lines)
    return ""


def side_of(source: Source) -> Side:
    """How tables name a run, and what exactly produced its numbers."""
    return Side(label=source.label, folder=source.where, fingerprint=source.manifest.fingerprint)
