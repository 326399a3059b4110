"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from harness.records import Record

if TYPE_CHECKING:
    from harness.conformance.subject import Subject

__all__ = ["Check", "Finding", "NotApplicable", "Status", "Tolerance", "WrongError"]


class Status(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    """The adapter does as it should."""

    FAILED = "failed"
    """It doesn't; the detail says in what."""

    NOT_APPLICABLE = "not applicable"
    """It can't be asked; the detail says why."""


class Finding(Record, frozen=True, kw_only=True):
    """What one check found."""

    check: str
    """Name of the check."""

    status: Status
    """How it ended."""

    detail: str
    """What was seen, or what is wrong."""


class Tolerance(Record, frozen=True, kw_only=True):
    """By how much two responses to one request may differ and count as equal."""

    nats: float = 1e-3
    """Log-likelihoods, in nats."""

    levels: int = 2
    """Grey levels of 255, per pixel and channel."""

    mebibytes: float = 64.0
    """Memory that may stay taken after the memory check's calls."""


class Check(NamedTuple):
    """One check."""

    name: str
    """Name, as the table shows it."""

    summary: str
    """What it demands, in one sentence."""

    run: Callable[[Subject], str]
    """Looks at an adapter and says what it saw; raises `WrongError` or `NotApplicable`."""


class WrongError(Exception):
    """The adapter doesn't do what the check demands."""


class NotApplicable(Exception):  # noqa: N818 -- no error: the check has nothing to look at
    """The adapter lacks what the check looks at."""
