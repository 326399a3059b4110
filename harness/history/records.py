"""A metric over a row of runs, and where it changed."""

from __future__ import annotations

from harness.records import MetricSpec, MetricValue, Record

__all__ = ["ChangePoint", "History", "Point", "Series"]


class Point(Record, frozen=True, kw_only=True):
    """One run's number."""

    label: str
    """Name of the run."""

    where: str
    """Run folder or baseline."""

    created: str
    """UTC time, ISO 8601."""

    commit: str | None
    """Source revision of the harness."""

    value: MetricValue
    """The number with its interval."""

    incomplete: str = ""
    """Why this run isn't searched for changes; empty if it is."""


class ChangePoint(Record, frozen=True, kw_only=True):
    """Where a metric first changed."""

    place: int
    """First point after the change, counted from 0."""

    before: float
    """Mean of the searched points before it."""

    after: float
    """Mean of the searched points from it on, up to a later change if one was found first."""

    p_value: float
    """Chance of a change this clear anywhere in the points that were searched."""

    worse: bool | None
    """Whether it's for the worse; `None` where no side is better."""


class Series(Record, frozen=True, kw_only=True):
    """One metric of one task under one protocol; timings of one machine."""

    task: str
    """Registry name of the task."""

    metric: MetricSpec
    """Definition of the metric."""

    protocol_hash: str
    """The protocol of every point."""

    primary: bool
    """Whether it's the task's primary metric."""

    points: tuple[Point, ...]
    """In order."""

    method: str = ""
    """How a change was looked for; empty if it wasn't."""

    p_value: float | None = None
    """Chance of the clearest change anywhere in a series without one."""

    known: int | None = None
    """Samples (or clusters) with a score in all searched runs; `None` if runs aren't paired."""

    samples: int | None = None
    """Samples (or clusters) there are."""

    p_adjusted: float | None = None
    """The same adjusted for the number of series (Holm)."""

    change: ChangePoint | None = None
    """The first change, if `p_adjusted` is below 5%."""

    note: str = ""
    """Why no change was looked for."""


class History(Record, frozen=True, kw_only=True):
    """Metrics over a row of runs."""

    series: tuple[Series, ...]
    """In the order in which tasks first occur."""

    alpha: float = 0.05
    """Level at which a change is called one."""
