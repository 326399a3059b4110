"""A request that knows which sample it's for."""

from __future__ import annotations

from harness.records import GenerateImageRequest, Sample

__all__ = ["Replay"]


class Replay(GenerateImageRequest, frozen=True, kw_only=True):
    """A request for an image, with the sample whose stored image answers it."""

    task: str
    """Registry name of the task."""

    sample: Sample
    """The sample."""
