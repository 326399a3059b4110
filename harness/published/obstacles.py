"""What keeps a run's number from being the one that was published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from harness.columns import ScoreColumn
from harness.errors import BenchError
from harness.records import JsonValue, RunManifest, TaskPlan, TaskResult, TaskStatus
from harness.registry import tasks

__all__ = ["Found", "obstacles"]


class Found(NamedTuple):
    """One task of a run."""

    label: str
    """Row name of the run."""

    manifest: RunManifest
    """What was run."""

    plan: TaskPlan
    """How the task was."""

    result: TaskResult
    """Its numbers."""

    columns: Mapping[str, ScoreColumn]
    """Scores of the metrics that were published."""


def obstacles(
    one: Found, official: Mapping[str, JsonValue], names: frozenset[str]
) -> Iterator[str]:
    """Why ours isn't the number that was published; nothing if it may be.

    Args:
        one: A task of a run.
        official: Options of the published protocol.
        names: Names of the published model, in lower case.
    """
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
