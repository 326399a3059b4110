"""What a task, a suite and a model say about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from harness.records.base import JsonValue, Record
from harness.records.capability import Capability
from harness.records.metric import MetricSpec
from harness.records.protocol import DatasetInfo

__all__ = [
    "DataFile",
    "Fingerprint",
    "Modality",
    "ModelCard",
    "Suite",
    "SuiteEntry",
    "TaskMetadata",
]


class Modality(StrEnum):
    """Kind of a task's input or output."""

    TEXT = "text"
    IMAGE = "image"


class DataFile(Record, frozen=True, kw_only=True):
    """A published data file that isn't part of this package; `harness.data` finds it."""

    name: str
    """Name of the data set in the cache, e.g. `MMBench_DEV_EN_V11`."""

    file: str
    """Name of the file, e.g. `MMBench_DEV_EN_V11.tsv`."""

    urls: tuple[str, ...] = ()
    """Addresses, tried in order: `https://...` or `hf://datasets/OWNER/NAME/FILE@REVISION`. Empty
    if users must bring the file."""

    md5: str | None = None
    """MD5 of the official file: 32 hexadecimal digits."""

    sha256: str | None = None
    """SHA-256 of the official file: 64 hexadecimal digits."""

    licence: str
    """SPDX identifier of the data's licence, or `unknown`."""

    split: str
    """Split that the file holds."""

    size: int | None = None
    """Bytes of the official file."""

    origin: str
    """Where users find the file, in words."""


class TaskMetadata(Record, frozen=True, kw_only=True):
    """What a task says about itself."""

    name: str
    """Registry name."""

    summary: str
    """One sentence."""

    version: int
    """Raised when scores change."""

    requires: frozenset[Capability]
    """Capabilities a model needs; a model that lacks one is `not applicable`, not 0."""

    inputs: tuple[Modality, ...]
    """Input modalities."""

    outputs: tuple[Modality, ...]
    """Output modalities."""

    dataset: DatasetInfo
    """Where its samples come from."""

    metrics: tuple[MetricSpec, ...]
    """Its metrics; the first is the primary one, shown in the leaderboard."""

    protocol_id: str
    """Human name of its protocol."""

    citation: str
    """Reference to cite, as text or BibTeX."""

    files: tuple[DataFile, ...] = ()
    """Data files that it reads. They aren't part of the protocol: the data set's hash is."""

    @property
    def primary(self) -> MetricSpec:
        """The metric that the leaderboard shows."""
        return self.metrics[0]


class SuiteEntry(Record, frozen=True, kw_only=True):
    """One task of a suite."""

    task: str
    """Registry name of the task."""

    limit: int | None = None
    """Samples to take; `None` is all."""

    options: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """Task options."""

    published_as: str = ""
    """Task under whose name its numbers were published; empty is its own."""


class Suite(Record, frozen=True, kw_only=True):
    """A named list of tasks."""

    name: str
    """Registry name."""

    summary: str
    """One sentence."""

    entries: tuple[SuiteEntry, ...]
    """Tasks in the order of the table's columns."""

    variants: tuple[str, ...] = ()
    """Suites with other protocols by which the same numbers may have been published."""


class ModelCard(Record, frozen=True, kw_only=True):
    """What an adapter says about its model before loading any weights."""

    name: str
    """Registry name."""

    summary: str
    """One sentence."""

    capabilities: frozenset[Capability]
    """What it can be asked for."""

    licence: str
    """Licence of the weights."""

    source: str
    """Where weights and code come from."""

    control: bool = False
    """Whether it's a control (untrained, ablated, null) rather than a contender."""


class Fingerprint(Record, frozen=True, kw_only=True):
    """What exactly produced the responses."""

    model: str
    """Registry name."""

    adapter: str
    """Import path of the adapter class."""

    code_version: str
    """Version of the adapter's code."""

    weights_sha256: str | None
    """Hash over the weights; `None` where there are none to hash."""

    config: Mapping[str, JsonValue]
    """Model configuration, including ablation switches."""

    defaults: Mapping[str, JsonValue]
    """Decoding defaults that apply where a request leaves a field open."""

    dtype: str
    """Floating-point type of the computation."""

    device: str
    """Device type, e.g. `cpu` or `cuda:NVIDIA H100`."""

    parameters: int | None = None
    """Number of parameters."""
