"""The tasks of a run: built, planned, and compared with what the model can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from harness.errors import BenchError, DataError, SpecError
from harness.records import (
    Capability,
    ModelCard,
    Sample,
    SuiteEntry,
    TaskMetadata,
    TaskPlan,
    TaskResult,
    TaskStatus,
)
from harness.registry import tasks
from harness.task import Probe, Task

__all__ = ["PlannedTask", "build_tasks", "fit", "lacking", "list_samples", "not_applicable"]


class PlannedTask(NamedTuple):
    """A task object with its place in the manifest."""

    task: Task
    """The task."""

    plan: TaskPlan
    """Options, limit, metadata, protocol, and whether the model can do it."""

    @property
    def name(self) -> str:
        """Registry name."""
        return self.plan.task


def build_tasks(entries: Iterable[SuiteEntry], seed: int) -> list[PlannedTask]:
    """Build the tasks of a run.

    Args:
        entries: Tasks with limits and options.
        seed: Base seed; part of each protocol.

    Raises:
        SpecError: A task is unknown, named twice, takes no such option, or has a bad limit.
    """
    planned = [_build(entry, seed) for entry in entries]
    if not planned:
        raise SpecError("the run has no task", "name a suite with --suite or tasks with --task")
    names = [task.name for task in planned]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            f"task {twice[0]!r} is named twice", "name it once; other options need another run"
        )
    return planned


def fit(planned: Iterable[PlannedTask], card: ModelCard) -> list[PlannedTask]:
    """Mark which tasks the model can do."""
    return [
        PlannedTask(
            task, msgspec.structs.replace(plan, applicable=not lacking(plan.metadata, card))
        )
        for task, plan in planned
    ]


def lacking(metadata: TaskMetadata, card: ModelCard) -> list[Capability]:
    """Capabilities that the task requires and the model doesn't declare, sorted."""
    return sorted(metadata.requires - card.capabilities)


def not_applicable(plan: TaskPlan, card: ModelCard) -> TaskResult:
    """The result of a task that the model can't do: no number at all."""
    missing = ", ".join(lacking(plan.metadata, card))
    return TaskResult(
        task=plan.task,
        status=TaskStatus.NOT_APPLICABLE,
        metrics=(),
        verdicts={},
        protocol_hash=plan.protocol.hash,
        total=0,
        notes=(f"needs {missing}, which model {card.name!r} doesn't declare",),
    )


def list_samples(planned: PlannedTask, card: ModelCard | None) -> Iterator[Sample]:
    """The samples that the plan takes from the task, streamed.

    Args:
        planned: The task.
        card: What the model can do, which probes adapt to; `None` if that isn't known.

    Raises:
        DataError: The task has none, or fails while listing them.
    """
    count = 0
    try:
        for sample in islice(_listed(planned.task, card), planned.plan.limit):
            count += 1
            yield sample
    except BenchError:
        raise
    except Exception as error:
        raise DataError(
            f"task {planned.name!r} failed after listing {count} samples: "
            f"{type(error).__name__}: {error}",
            "check the task's data; `cheers-bench doctor` names what is missing",
        ) from error
    if not count:
        raise DataError(f"task {planned.name!r} has no samples", "check its data and options")


def _listed(task: Task, card: ModelCard | None) -> Iterator[Sample]:
    return task.samples_for(card) if card and isinstance(task, Probe) else task.samples()


def _build(entry: SuiteEntry, seed: int) -> PlannedTask:
    if entry.limit is not None and entry.limit < 1:
        raise SpecError(f"task {entry.task!r}: limit is {entry.limit}", "give at least 1")
    task = tasks().get(entry.task)(entry.options)
    if task.metadata.name != entry.task:
        raise SpecError(
            f"task {entry.task!r} calls itself {task.metadata.name!r} in its metadata",
            "register it under the name in its metadata; seeds and results carry that name",
        )
    plan = TaskPlan(
        task=entry.task,
        options=entry.options,
        limit=entry.limit,
        metadata=task.metadata,
        protocol=task.protocol(seed, entry.limit),
    )
    return PlannedTask(task, plan)
