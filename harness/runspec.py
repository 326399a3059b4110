"""What to run: the same record whether it comes from flags, a run file or a program."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.records import JsonValue, Record, SuiteEntry
from harness.registry import suites

__all__ = ["ModelRef", "RunSpec", "TaskRef", "resolve"]


class TaskRef(Record, frozen=True, kw_only=True):
    """A task named by the user."""

    task: str
    """Registry name."""

    limit: int | None = None
    """Samples to take; `None` takes the run's limit."""

    options: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Task options."""


class ModelRef(Record, frozen=True, kw_only=True):
    """A model named by the user."""

    name: str
    """Registry name."""

    args: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Arguments of its adapter."""

    label: str | None = None
    """Row name in tables."""


class RunSpec(Record, frozen=True, kw_only=True):
    """One run: one model, several tasks, one seed."""

    suite: str | None = None
    """Registry name of a suite."""

    tasks: tuple[TaskRef, ...] = ()
    """Tasks besides the suite's."""

    model: ModelRef
    """The model."""

    limit: int | None = None
    """Samples per task, where the task names no limit of its own."""

    seed: int = 0
    """Base seed."""

    batch_size: int | None = None
    """Requests per batch; `None` is the adapter's choice."""

    out: str
    """Run folder."""

    retry_errors: bool = False
    """Whether failed samples are tried again."""


def resolve(spec: RunSpec) -> list[SuiteEntry]:
    """Tasks of a run in order: the suite's, then those named.

    Raises:
        UnknownNameError: The suite isn't registered.
    """
    entries = list(suites().get(spec.suite).entries) if spec.suite else []
    entries += [
        SuiteEntry(task=ref.task, limit=ref.limit, options=ref.options) for ref in spec.tasks
    ]
    return [
        msgspec.structs.replace(entry, limit=spec.limit if entry.limit is None else entry.limit)
        for entry in entries
    ]
