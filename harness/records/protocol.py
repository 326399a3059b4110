"""Protocol: everything besides the model that a number depends on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.records.base import JsonValue, Record, digest

__all__ = ["DatasetInfo", "Identity", "Protocol"]


class DatasetInfo(Record, frozen=True, kw_only=True):
    """Where the samples come from."""

    name: str
    """Name of the dataset, or of the generator for procedural data."""

    revision: str
    """Revision, release or generator version."""

    split: str
    """Split that is scored."""

    licence: str
    """SPDX identifier of the data's licence, or `unknown`."""

    sha256: str | None = None
    """Hash of the data file, or of the first samples for procedural data."""

    source: str = ""
    """Address or package."""


class Identity(Record, frozen=True, kw_only=True):
    """A scorer, detector or judge: what it is, exactly."""

    id: str
    """Name, e.g. `geneval` or `classical-shapes`."""

    version: str
    """Version of its code or weights revision."""

    weights_sha256: str | None = None
    """Hash of its weights, if it has any."""

    settings: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Thresholds and other settings that its verdicts depend on."""


class Protocol(Record, frozen=True, kw_only=True):
    """Everything besides the model that a score depends on; equal hashes are comparable."""

    id: str
    """Human name of the protocol, e.g. `shapes-geneval/v1`."""

    task: str
    """Task name."""

    task_version: int
    """Raised by the task when its scores change."""

    dataset: DatasetInfo
    """The data."""

    prompt_template: str
    """The template, or the name and hash of the template file."""

    scorer: Identity
    """What turns responses into scores."""

    judge: Identity | None = None
    """Detector or judge model, if the scorer uses one."""

    decoding: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Decoding that the task demands; what it leaves open is in the model's fingerprint."""

    seed: int = 0
    """Base seed of the run."""

    repeats: int = 1
    """Samples per prompt."""

    limit: int | None = None
    """Only the first `limit` samples; `None` is the whole split."""

    options: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Task options that differ from their defaults."""

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name this protocol."""
        return digest(self)
