"""What a sweep found: the file `sweep.json`."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import First, JsonValue, MetricValue, Record

__all__ = ["Sweep", "SweepPoint"]


class SweepPoint(Record, frozen=True, kw_only=True):
    """One setting."""

    args: Mapping[str, JsonValue]
    """The arguments that were varied."""

    folder: str
    """Its run, relative to the sweep's folder."""

    value: MetricValue
    """The score with its interval."""

    costs: Mapping[str, float]
    """Median cost of a response by key of `harness.costs.QUANTITIES`; unknown ones are absent."""

    batch_size: int | None = None
    """Size of the batches that its times are from; `None` where nothing was timed."""

    first: First | None = None
    """What those batches were the first of; `None` where they're usual ones."""

    best: bool
    """Whether no other setting scores at least as much for less; ties go to the cheaper one."""


class Sweep(Record, frozen=True, kw_only=True):
    """One task under several settings of one model."""

    task: str
    """Registry name of the task."""

    protocol_hash: str
    """Hash of the protocol that all scores carry."""

    model: str
    """Registry name of the model."""

    metric: str
    """Name of the score."""

    cost: str
    """Key of the cost that `best` is about."""

    points: tuple[SweepPoint, ...]
    """In the order in which they were varied."""

    notes: tuple[str, ...] = ()
    """What one must know before comparing the points' times."""
