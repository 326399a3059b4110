"""One item of a task."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.records.base import JsonValue, Record

__all__ = ["Sample"]


class Sample(Record, frozen=True, kw_only=True):
    """One item that a model is asked about once.

    `(task, id, k)` names it everywhere: in the ledger, in seeds, in file names.
    """

    id: str
    """Name within the task, stable across runs; all repeats of one prompt share it."""

    k: int = 0
    """Repeat index: the k-th image of a prompt, the k-th rotation of a question."""

    cluster: str | None = None
    """Statistical cluster that intervals resample; `None` means the sample's id."""

    category: str | None = None
    """Group that the task reports on its own, e.g. GenEval's `counting`."""

    target: JsonValue = None
    """What a right response is compared with; never shown to the model."""

    data: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """What the task needs to rebuild its request and to score; JSON only, no images."""

    @property
    def key(self) -> str:
        """`id#k`, unique within the task."""
        return f"{self.id}#{self.k}"

    @property
    def cluster_id(self) -> str:
        """The cluster that intervals resample."""
        return self.id if self.cluster is None else self.cluster
