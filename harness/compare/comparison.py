"""Comparing two run folders, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from harness.columns import ColumnBuilder
from harness.compare.measuring import adjusted, measure_difference
from harness.compare.records import Comparison, Difference, Flip, Side, Skipped
from harness.errors import LedgerError, UnknownNameError
from harness.ledger import Ledger, read_manifest
from harness.names import suggest
from harness.records import RunManifest, ScoredSample, TaskPlan

__all__ = ["compare_runs"]


def compare_runs(
    first: str | Path, second: str | Path, *, tasks: tuple[str, ...] = ()
) -> Comparison:
    """Compare every task that both runs have under one protocol.

    Args:
        first: Run folder that differences are taken from.
        second: Run folder that is judged.
        tasks: Only these tasks; empty is all.

    Raises:
        LedgerError: A folder isn't a run, is damaged, or the two hold other samples under one
            protocol.
        UnknownNameError: One of `tasks` is in neither run.
    """
    folders = Path(first), Path(second)
    manifests = read_manifest(folders[0]), read_manifest(folders[1])
    names = _names(manifests, tasks)
    differences: list[Difference] = []
    flips: list[Flip] = []
    skipped: list[Skipped] = []
    with Ledger.open(folders[0]) as one, Ledger.open(folders[1]) as other:
        for name in names:
            plans = [_plan(manifest, name) for manifest in manifests]
            reason = _reason(*plans)
            if reason:
                skipped.append(Skipped(task=name, reason=reason))
                continue
            assert plans[0] is not None  # noqa: S101 -- `_reason` would have said so
            found, flipped = _compare_task(plans[0], one, other)
            differences += found
            flips += flipped
    sides = [_side(f, m) for f, m in zip(folders, manifests, strict=True)]
    return Comparison(
        first=sides[0],
        second=sides[1],
        differences=tuple(adjusted(differences)),
        flips=tuple(flips),
        skipped=tuple(skipped),
    )


def _compare_task(
    plan: TaskPlan, first: Ledger, second: Ledger
) -> tuple[list[Difference], list[Flip]]:
    metrics = plan.metadata.metrics
    builders = [(ColumnBuilder(spec), ColumnBuilder(spec)) for spec in metrics]
    flips = []
    for a, b in _paired(plan.task, first, second):
        for one, other in builders:
            if one.takes(a) and other.takes(b):
                one.add(a)
                other.add(b)
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
        )
        for one, other in builders
    ]
    return differences, flips


def _paired(
    task: str, first: Ledger, second: Ledger
) -> Iterator[tuple[ScoredSample, ScoredSample]]:
    """Samples of both runs side by side; equal protocols plan equal samples in equal order."""
    for a, b in zip_longest(first.scored(task), second.scored(task)):
        if a is None or b is None or a.sample.key != b.sample.key:
            names = [row.sample.key if row is not None else "nothing" for row in (a, b)]
            raise LedgerError(
                f"task {task!r}: {first.folder} has sample {names[0]} where {second.folder} has "
                f"{names[1]}, though their protocols are equal",
                "one of the folders was changed by hand, or the task's data aren't pinned by its "
                "protocol; run it again",
            )
        yield a, b


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


def _names(manifests: tuple[RunManifest, RunManifest], wanted: tuple[str, ...]) -> list[str]:
    known = list(dict.fromkeys(plan.task for manifest in manifests for plan in manifest.tasks))
    for name in wanted:
        if name not in known:
            hint = suggest(name, known) or "they have: " + ", ".join(known)
            raise UnknownNameError(f"neither run has a task {name!r}", hint)
    return [name for name in known if not wanted or name in wanted]


def _plan(manifest: RunManifest, task: str) -> TaskPlan | None:
    return next((plan for plan in manifest.tasks if plan.task == task), None)


def _reason(first: TaskPlan | None, second: TaskPlan | None) -> str:
    """Why a task can't be compared; empty if it can."""
    from harness.run.folder import differences

    if first is None or second is None:
        return f"only the {'first' if second is None else 'second'} run has it"
    if not (first.applicable and second.applicable):
        return "a model lacks a capability that it needs"
    if first.protocol.hash != second.protocol.hash:
        lines = differences(first.protocol, second.protocol)
        return "other protocol: " + "; ".join(line.strip() for line in lines)
    return ""


def _side(folder: Path, manifest: RunManifest) -> Side:
    label = manifest.label or manifest.model.name
    return Side(label=label, folder=str(folder), fingerprint=manifest.fingerprint)
