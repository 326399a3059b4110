"""What became of a sample: one verdict, its scores, and why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from harness.records.base import JsonValue, Record
from harness.records.sample import Sample

__all__ = ["Outcome", "ScoredSample", "Verdict"]


class Verdict(StrEnum):
    """The one way in which a sample ends."""

    OK = "ok"
    """Scored, and right where the task knows right from wrong."""

    WRONG = "wrong"
    """Scored, and not right."""

    UNPARSED = "unparsed"
    """The model answered, but no answer could be read out of it; scored as the protocol says."""

    JUDGE_FAILED = "judge_failed"
    """The detector or judge failed; unknown, never counted as wrong."""

    ERRORED = "errored"
    """The model failed on this sample; unknown, never counted as wrong."""

    MISSING = "missing"
    """No response exists (yet); unknown, never counted as wrong."""

    @property
    def is_known(self) -> bool:
        """Whether the sample has a score."""
        return self in (Verdict.OK, Verdict.WRONG, Verdict.UNPARSED)


class Outcome(Record, frozen=True, kw_only=True):
    """Verdict and scores of one sample."""

    verdict: Verdict
    """How the sample ended."""

    reason: str = ""
    """Why, in words a reader of the sample page understands; a traceback when errored."""

    scores: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Value per metric name; empty when the verdict is unknown."""

    details: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """What the scorer saw: parsed answer, boxes, classes."""


class ScoredSample(Record, frozen=True, kw_only=True):
    """A sample with its outcome: what metrics are computed from."""

    sample: Sample
    """The item."""

    outcome: Outcome
    """Its verdict and scores."""
