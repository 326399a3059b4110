"""What a sweep found: the file `sweep.json`."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import JsonValue, MetricValue, Record

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
