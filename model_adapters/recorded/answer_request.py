"""A question that knows which sample it's for."""

from __future__ import annotations

from harness.records import AnswerRequest, Sample

__all__ = ["AnswerReplay"]


class AnswerReplay(AnswerRequest, frozen=True, kw_only=True):
    """A request for an answer, with the sample whose stored answer it gets."""

    sample: Sample
    """The sample."""
