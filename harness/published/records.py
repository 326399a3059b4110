"""Records of a reproduction: its lines and their verdicts."""

from __future__ import annotations

from enum import StrEnum

from harness.published.numbers import PublishedNumber
from harness.records import MetricValue, Record

__all__ = ["LeftOut", "Line", "Reproduction", "Verdict"]


class Verdict(StrEnum):
    """What became of a published number."""

    REPRODUCED = "reproduced within noise"
    """Chance alone may give the difference: its interval contains 0."""

    DIFFERS = "differs"
    """It doesn't."""

    NOT_COMPARABLE = "not comparable"
    """Ours is of another model, of other data, options or samples, or has no interval."""

    NOT_RUN = "not run"
    """No run has the task."""

    ABSENT = "not in the run"
    """A run has the task, and no such number: running it again gives none either."""


class Line(Record, frozen=True, kw_only=True):
    """One published number beside ours."""

    published: PublishedNumber
    """The number."""

    verdict: Verdict
    """What became of it."""

    run: str = ""
    """Label of the run that ours is from."""

    variant: str = ""
    """Suite of the published protocol that ours was compared with, where there are several."""

    protocol: str = ""
    """Protocol of ours: its name and hash."""

    ours: MetricValue | None = None
    """Our number with its interval."""

    unit: str = ""
    """Its unit; empty for a fraction."""

    difference: float | None = None
    """Ours minus the published one, in our unit."""

    difference_low: float | None = None
    """Lower end of the difference as far as chance may move it, at 95%; see `chance`. How the
    number would vary with other questions isn't in it: that's the interval of `ours`."""

    difference_high: float | None = None
    """Upper end."""

    reasons: tuple[str, ...] = ()
    """What sets the two apart besides chance."""


class LeftOut(Record, frozen=True, kw_only=True):
    """A published number that can't have one of ours beside it."""

    published: PublishedNumber
    """The number."""

    reason: str
    """Why."""


class Reproduction(Record, frozen=True, kw_only=True):
    """All published numbers of a model."""

    model: str
    """The model, as its authors call it."""

    lines: tuple[Line, ...]
    """In the order of the published numbers; one for each run that has the task."""

    missing: tuple[str, ...]
    """Tasks that no run has."""

    command: str
    """What runs them; empty if nothing is missing."""

    left_out: tuple[LeftOut, ...] = ()
    """The model's published numbers that have no line."""

    variant_commands: tuple[str, ...] = ()
    """What runs the published protocols that no comparable run has, where there are several."""
