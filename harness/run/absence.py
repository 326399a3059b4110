"""Samples to which there is no usable response: kept apart from a model's failures.

The ledger stores a failure as text. A marker at its beginning tells what an adapter said about a
response that it was to replay from the traceback of a model that broke.
"""

from __future__ import annotations

from harness.errors import NoResponseError
from harness.records import Outcome, Verdict

__all__ = ["failure_outcome", "is_absence", "marked"]

_MISSING = "missing: "
_UNUSABLE = "unusable: "


def marked(error: NoResponseError) -> str:
    """The text that the ledger stores.

    Example:
        >>> marked(NoResponseError("no file a.png", missing=True))
        'missing: no file a.png'
    """
    return f"{_MISSING if error.missing else _UNUSABLE}{error.what}"


def is_absence(error: str | None) -> bool:
    """Whether a stored failure is about a missing or unusable response, not about the model."""
    return error is not None and error.startswith((_MISSING, _UNUSABLE))


def failure_outcome(error: str) -> Outcome:
    """The outcome of a sample with a stored failure.

    Example:
        >>> failure_outcome("missing: no file a.png").verdict.value
        'missing'
        >>> failure_outcome("Traceback (most recent call last): ...").verdict.value
        'errored'
    """
    if error.startswith(_MISSING):
        return Outcome(verdict=Verdict.MISSING, reason=error.removeprefix(_MISSING))
    return Outcome(verdict=Verdict.ERRORED, reason=error.removeprefix(_UNUSABLE))
