"""The runs of a report, numbered as they stand in its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import SpecError
from harness.leaderboard import Column, Table, build_table
from harness.ledger import Ledger, read_manifest
from harness.records import Protocol, RunManifest, TaskMetadata, TaskPlan, TaskResult

__all__ = ["ReportRun", "TaskGroup", "group_tasks", "read_runs", "read_table"]


class ReportRun(NamedTuple):
    """One run."""

    number: int
    """Its place in the report."""

    label: str
    """Its name, unique in the report."""

    folder: Path
    """Run folder."""

    manifest: RunManifest
    """What it is a run of."""

    results: Mapping[str, TaskResult]
    """Results by task."""


class TaskGroup(NamedTuple):
    """One task under one protocol: the runs in it hold the same samples in the same order."""

    number: int
    """Its place in the report."""

    task: str
    """Registry name of the task."""

    qualifier: str
    """What sets the protocol apart from the task's others; empty if it's alone."""

    metadata: TaskMetadata
    """What the task says about itself."""

    protocol: Protocol
    """The protocol."""

    columns: tuple[int, ...]
    """Numbers of its metrics' columns in the table."""

    runs: tuple[int, ...]
    """Numbers of the runs that have it and whose models can do it."""


def read_table(folders: Sequence[Path]) -> Table:
    """Every metric of every run.

    Raises:
        SpecError: A folder is named twice.
        LedgerError: A folder isn't a run, or is damaged.
    """
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise SpecError(f"{folder} is named twice", "name each run once")
        seen.add(folder.resolve())
    return build_table(folders, all_metrics=True)


def read_runs(table: Table) -> list[ReportRun]:
    """The runs in the order of the table's rows."""
    return [_read(number, row.label, Path(row.folder)) for number, row in enumerate(table.rows)]


def _read(number: int, label: str, folder: Path) -> ReportRun:
    with Ledger.open(folder) as ledger:
        results = {result.task: result for result in ledger.results()}
    return ReportRun(number, label, folder, read_manifest(folder), results)


def group_tasks(table: Table, runs: Sequence[ReportRun]) -> list[TaskGroup]:
    """Tasks by protocol, in the order of the table's columns."""
    found: dict[tuple[str, str], list[int]] = {}
    for number, column in enumerate(table.columns):
        found.setdefault((column.task, column.protocol_hash), []).append(number)
    return [
        _group(number, [table.columns[c] for c in columns], columns, runs)
        for number, columns in enumerate(found.values())
    ]


def _group(
    number: int, columns: Sequence[Column], numbers: Sequence[int], runs: Sequence[ReportRun]
) -> TaskGroup:
    head = columns[0]
    plans = {run.number: plan for run in runs if (plan := plan_of(run, head)) is not None}
    return TaskGroup(
        number=number,
        task=head.task,
        qualifier=head.qualifier,
        metadata=next(iter(plans.values())).metadata,
        protocol=head.protocol,
        columns=tuple(numbers),
        runs=tuple(run for run, plan in plans.items() if plan.applicable),
    )


def plan_of(run: ReportRun, column: Column) -> TaskPlan | None:
    """The run's plan of a column's task, if it has the column's protocol."""
    same = (p for p in run.manifest.tasks if p.task == column.task)
    return next((p for p in same if p.protocol.hash == column.protocol_hash), None)
