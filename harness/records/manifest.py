"""Run manifest and task results."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from harness.records.base import SCHEMA_VERSION, JsonValue, Record
from harness.records.metadata import Fingerprint, ModelCard, TaskMetadata
from harness.records.metric import MetricValue
from harness.records.protocol import Protocol

__all__ = ["Environment", "RunManifest", "RunStatus", "TaskPlan", "TaskResult", "TaskStatus"]


class RunStatus(StrEnum):
    """State of a run folder."""

    RUNNING = "running"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class TaskStatus(StrEnum):
    """State of one task in a run."""

    COMPLETE = "complete"
    """Every sample has a known verdict."""

    INCOMPLETE = "incomplete"
    """Some samples are errored, judge-failed or missing."""

    NOT_APPLICABLE = "not_applicable"
    """The model lacks a required capability."""


class Environment(Record, frozen=True, kw_only=True):
    """Machine and software of a run."""

    python: str
    """Python version."""

    platform: str
    """Operating system and architecture."""

    packages: Mapping[str, str]
    """Versions of the packages that scores may depend on."""

    cpu: str
    """Processor."""

    threads: int
    """Compute threads."""

    gpu: str | None = None
    """Accelerator, if any."""

    commit: str | None = None
    """Source revision of the harness, with `+dirty` when it has local changes."""


class TaskPlan(Record, frozen=True, kw_only=True):
    """One task as it's run: name, options and protocol."""

    task: str
    """Registry name."""

    options: Mapping[str, JsonValue]
    """Task options."""

    limit: int | None
    """Samples to take."""

    metadata: TaskMetadata
    """The task's metadata at the time of the run."""

    protocol: Protocol
    """The protocol that its scores carry."""

    applicable: bool = True
    """Whether the model has every capability that the task requires."""


class RunManifest(Record, frozen=True, kw_only=True):
    """Everything that identifies a run; `manifest.json` in its folder."""

    run_id: str
    """Digest of model, tasks and seed: the same command gives the same id."""

    created: str
    """UTC time, ISO 8601."""

    command: tuple[str, ...]
    """Command line, with secrets removed."""

    model: ModelCard
    """Model card."""

    model_args: Mapping[str, JsonValue]
    """Arguments the model was built with."""

    fingerprint: Fingerprint
    """What exactly produced the responses."""

    tasks: tuple[TaskPlan, ...]
    """Tasks in order."""

    seed: int
    """Base seed."""

    environment: Environment
    """Machine and software that started the run."""

    status: RunStatus = RunStatus.RUNNING
    """State when the manifest was last written."""

    label: str | None = None
    """Row name in tables; `None` is the model's name."""

    schema_version: int = SCHEMA_VERSION
    """Version of this record."""


class TaskResult(Record, frozen=True, kw_only=True):
    """Scores of one task in one run."""

    task: str
    """Registry name."""

    status: TaskStatus
    """Whether the numbers cover every sample."""

    metrics: tuple[MetricValue, ...]
    """Values, the primary metric first."""

    verdicts: Mapping[str, int]
    """Count of each verdict."""

    protocol_hash: str
    """Hash of the protocol."""

    total: int
    """Samples the protocol asks for."""

    notes: tuple[str, ...] = ()
    """What a reader must know besides the numbers."""

    extra: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Curves and tables that don't fit into a metric."""
