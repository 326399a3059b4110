"""The table: runs as rows, metrics under one protocol as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from harness.errors import UnknownNameError
from harness.names import suggest
from harness.published.table import PublishedTable
from harness.records import (
    Environment,
    Fingerprint,
    MetricSpec,
    MetricValue,
    Protocol,
    Record,
    RunManifest,
    RunStatus,
    TaskPlan,
    TaskResult,
    TaskStatus,
)
from harness.sources import open_source

__all__ = ["Cell", "Column", "Row", "Table", "build_table"]


class Column(Record, frozen=True, kw_only=True):
    """One metric of one task under one protocol; nothing else may stand in it."""

    task: str
    """Registry name of the task."""

    metric: MetricSpec
    """Definition of the metric."""

    protocol: Protocol
    """The protocol that every number in the column carries."""

    protocol_hash: str
    """Hash of the protocol."""

    qualifier: str = ""
    """What sets the protocol apart from the table's others for this task; empty if it's alone."""

    primary: bool = True
    """Whether it's the task's primary metric."""


class Cell(Record, frozen=True, kw_only=True):
    """One number of one run, or why there's none."""

    status: TaskStatus | None = None
    """State of the task in this run; `None` if the run doesn't have it under this protocol."""

    value: MetricValue | None = None
    """The number with its interval and bounds."""

    verdicts: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Count of each verdict of the task."""

    total: int = 0
    """Samples that the protocol asks for."""

    notes: tuple[str, ...] = ()
    """What a reader must know besides the number."""


class Row(Record, frozen=True, kw_only=True):
    """One run."""

    label: str
    """Name of the row, unique in the table."""

    folder: str
    """Run folder or baseline."""

    control: bool
    """Whether the model is a control rather than a contender."""

    status: RunStatus
    """State of the run."""

    created: str
    """UTC time, ISO 8601."""

    fingerprint: Fingerprint
    """What exactly produced the numbers."""

    environment: Environment
    """Machine and software."""

    cells: tuple[Cell, ...]
    """One per column."""


class Table(Record, frozen=True, kw_only=True):
    """A leaderboard."""

    columns: tuple[Column, ...]
    """Columns, grouped by task in the order in which tasks first occur."""

    rows: tuple[Row, ...]
    """Contenders in the given order, then controls."""

    published: PublishedTable | None = None
    """What others published; a table of its own, since no protocol stands behind it."""


class _Run(Record, frozen=True, kw_only=True):
    folder: str
    manifest: RunManifest
    results: dict[str, TaskResult]


def build_table(
    folders: Sequence[str | Path],
    *,
    all_metrics: bool = False,
    metrics: Sequence[str] = (),
    published: PublishedTable | None = None,
) -> Table:
    """Put runs into a table.

    Runs of one task under different protocols get different columns.

    Args:
        folders: Run folders or baselines.
        all_metrics: Whether every metric gets a column, and not only the primary ones.
        metrics: Further metrics that get one, as `TASK.METRIC`.
        published: Numbers to stand below.

    Raises:
        LedgerError: A path is neither a run nor a baseline, or is damaged.
        UnknownNameError: No run has one of `metrics`.
    """
    runs = [_read(Path(folder)) for folder in folders]
    every = _columns(runs)
    _check(metrics, [_name(column) for column in every])
    columns = [c for c in every if all_metrics or c.primary or _name(c) in metrics]
    labels = _labels(runs)
    rows = [_row(run, label, columns) for run, label in zip(runs, labels, strict=True)]
    return Table(
        columns=tuple(columns),
        rows=tuple(sorted(rows, key=lambda row: row.control)),
        published=published,
    )


def _name(column: Column) -> str:
    return f"{column.task}.{column.metric.name}"


def _check(wanted: Sequence[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            near = suggest(name, known) or "write it as shapes-geneval.colors"
            raise UnknownNameError(f"no run has a metric {name!r}", near)


def _read(folder: Path) -> _Run:
    with open_source(folder) as source:
        results = {result.task: result for result in source.results()}
    return _Run(folder=str(folder), manifest=source.manifest, results=results)


def _columns(runs: Sequence[_Run]) -> list[Column]:
    plans: dict[str, dict[str, TaskPlan]] = {}
    for run in runs:
        for plan in run.manifest.tasks:
            plans.setdefault(plan.task, {}).setdefault(plan.protocol.hash, plan)
    return [
        column
        for by_hash in plans.values()
        for hash_, plan in by_hash.items()
        for column in _columns_of(plan, hash_, list(by_hash.values()))
    ]


def _columns_of(plan: TaskPlan, hash_: str, rivals: Sequence[TaskPlan]) -> list[Column]:
    qualifier = _qualifier(plan, rivals)
    return [
        Column(
            task=plan.task,
            metric=metric,
            protocol=plan.protocol,
            protocol_hash=hash_,
            qualifier=qualifier,
            primary=metric == plan.metadata.metrics[0],
        )
        for metric in plan.metadata.metrics
    ]


def _qualifier(plan: TaskPlan, rivals: Sequence[TaskPlan]) -> str:
    """What differs between this protocol and the others of the task, as `seed 1, limit 8`."""
    fields = plan.protocol.__struct_fields__
    differing = [
        name
        for name in fields
        if any(getattr(r.protocol, name) != getattr(plan.protocol, name) for r in rivals)
    ]
    return ", ".join(f"{name} {_short(getattr(plan.protocol, name))}" for name in differing)


def _short(value: object) -> str:
    if isinstance(value, Record):
        return " ".join(str(getattr(value, name)) for name in value.__struct_fields__[:2])
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in sorted(value.items())) or "default"
    return "none" if value is None else str(value)


def _labels(runs: Sequence[_Run]) -> list[str]:
    """Labels of the rows; equal ones are told apart by their folders."""
    plain = [run.manifest.label or run.manifest.model.name for run in runs]
    often = Counter(plain)
    return [
        label if often[label] == 1 else f"{label} ({run.folder})"
        for label, run in zip(plain, runs, strict=True)
    ]


def _row(run: _Run, label: str, columns: Sequence[Column]) -> Row:
    manifest = run.manifest
    return Row(
        label=label,
        folder=run.folder,
        control=manifest.model.control,
        status=manifest.status,
        created=manifest.created,
        fingerprint=manifest.fingerprint,
        environment=manifest.environment,
        cells=tuple(_cell(run, column) for column in columns),
    )


def _cell(run: _Run, column: Column) -> Cell:
    plans = {plan.protocol.hash: plan for plan in run.manifest.tasks if plan.task == column.task}
    plan, result = plans.get(column.protocol_hash), run.results.get(column.task)
    if plan is None:
        return Cell()
    if not plan.applicable:
        return Cell(status=TaskStatus.NOT_APPLICABLE, notes=result.notes if result else ())
    if result is None or result.protocol_hash != column.protocol_hash:
        return Cell(status=TaskStatus.INCOMPLETE)
    values = {value.name: value for value in result.metrics}
    return Cell(
        status=result.status,
        value=values.get(column.metric.name),
        verdicts=dict(result.verdicts),
        total=result.total,
        notes=result.notes,
    )
