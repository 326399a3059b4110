"""What to run: the same record whether it comes from flags, a run file or a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from harness.errors import SpecError
from harness.records import JsonValue, Record, SuiteEntry
from harness.registry import suites

__all__ = ["EngineSpec", "ModelRef", "RunSpec", "TaskRef", "resolve"]


class TaskRef(Record, frozen=True, kw_only=True):
    """A task named by the user."""

    task: str
    """Registry name."""

    limit: int | None = None
    """Samples to take; `None` is all, up to the run's limit."""

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


class EngineSpec(Record, frozen=True, kw_only=True):
    """Where the model runs. Nothing in it changes a result, so none of it identifies a run."""

    kind: Literal["local", "ray"] = "local"
    """`local` drives one model in this process, `ray` several in actors of a Ray cluster."""

    workers: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Actors with a replica of the model each; `None` is one per device of the cluster
    that judges don't need."""

    gpus_per_worker: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """GPUs of an actor; `None` is 1 where the cluster has GPUs, 0 on this machine without any. A
    cluster that is joined may get its GPUs later, so there it must be given."""

    cpus_per_worker: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """CPUs of an actor, which also bound its threads."""

    memory_per_worker: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """GiB of main memory that the cluster sets aside for an actor; `None` sets none aside."""

    worker_resources: Mapping[str, Annotated[float, msgspec.Meta(ge=1e-4)]] | None = None
    """Further resources of an actor by Ray's names, which only some machines have; as
    `{"accelerator_type:H100": 0.001}`. Ray counts in steps of 0.0001."""

    judges: Annotated[int, msgspec.Meta(ge=0)] = 1
    """Actors that judge while others generate, if a task has a detector or judge; 0 lets this
    process score when all responses are there."""

    gpus_per_judge: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """GPUs of a judging actor."""

    cpus_per_judge: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """CPUs of a judging actor."""

    attempts: Annotated[int, msgspec.Meta(ge=1)] = 3
    """Lost or hanging workers that a sample may have been in the hands of before it is recorded as
    errored."""

    hang_after: Annotated[float, msgspec.Meta(gt=0)] = 900.0
    """Seconds without a finished batch after which a worker is replaced."""

    start_within: Annotated[float, msgspec.Meta(gt=0)] = 1800.0
    """Seconds within which a worker must be ready, weights loaded, once its process runs. What it
    waits for its place before doesn't count."""

    copies: bool = True
    """Whether workers that have nothing left to do may repeat what a slow one holds; the first
    result counts. An endpoint that charges by request charges for both."""

    address: str | None = None
    """Address of a running cluster, `auto` for the one on this machine; `None` is `RAY_ADDRESS`, or
    a cluster of this machine alone that ends with the run."""


class RunSpec(Record, frozen=True, kw_only=True):
    """One run: one model, several tasks, one seed."""

    suite: str | None = None
    """Registry name of a suite."""

    tasks: tuple[TaskRef, ...] = ()
    """Tasks besides the suite's, or options for some of the suite's."""

    model: ModelRef
    """The model."""

    limit: int | None = None
    """Most samples of each task; a smaller limit of a task or suite entry stays."""

    seed: int = 0
    """Base seed."""

    batch_size: int | None = None
    """Requests per batch; `None` is the adapter's choice."""

    out: str
    """Run folder."""

    retry_errors: bool = False
    """Whether failed samples are tried again."""

    engine: EngineSpec = EngineSpec()
    """Where the model runs."""


def resolve(spec: RunSpec) -> list[SuiteEntry]:
    """Tasks of a run in order: the suite's, then those named.

    A task that is named although the suite has it keeps its place; what is named of its options,
    and its limit, wins over the suite's.

    Raises:
        UnknownNameError: The suite isn't registered.
        SpecError: There is neither suite nor task.
    """
    entries = list(suites().get(spec.suite).entries) if spec.suite else []
    places = {entry.task: place for place, entry in enumerate(entries)}
    for ref in spec.tasks:
        place = places.pop(ref.task, None)
        if place is None:
            entries.append(SuiteEntry(task=ref.task, limit=ref.limit, options=ref.options))
        else:
            entries[place] = _with(entries[place], ref)
    if not entries:
        raise SpecError("the run names no task", "name a suite or tasks; `cheers-bench list`")
    return [msgspec.structs.replace(e, limit=_smaller(e.limit, spec.limit)) for e in entries]


def _with(entry: SuiteEntry, ref: TaskRef) -> SuiteEntry:
    return msgspec.structs.replace(
        entry,
        limit=entry.limit if ref.limit is None else ref.limit,
        options={**entry.options, **ref.options},
    )


def _smaller(a: int | None, b: int | None) -> int | None:
    return min((limit for limit in (a, b) if limit is not None), default=None)
