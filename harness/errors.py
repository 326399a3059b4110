"""Errors that say what is wrong, where it is, and what to do about it."""

from __future__ import annotations

__all__ = [
    "AdapterError",
    "BenchError",
    "CapabilityError",
    "CheckpointError",
    "DataError",
    "LedgerError",
    "NoResponseError",
    "OutOfMemoryError",
    "ProtocolMismatchError",
    "RunFailedError",
    "RunInterruptedError",
    "SpecError",
    "UnknownNameError",
]


class BenchError(Exception):
    """Base of every error a user is expected to read.

    Args:
        what: What is wrong, with the place (file, row, sample id) where there is one.
        remedy: What the reader can do about it; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  remedy: {self.remedy}" if self.remedy else self.what


class SpecError(BenchError):
    """A run file, a flag or a record read from outside is malformed."""

    exit_code = 2


class UnknownNameError(SpecError):
    """A task, model or suite of that name isn't registered."""


class CapabilityError(BenchError):
    """A model was asked for something that it doesn't declare."""


class AdapterError(BenchError):
    """A model adapter couldn't be built or broke its contract."""


class NoResponseError(AdapterError):
    """An adapter that replays stored responses has none for a request, or none that is usable.

    The sample becomes `missing` or `errored` with exactly this reason; it says nothing about the
    adapter, so it never ends a run.

    Args:
        what: What is wrong, with the file's name.
        missing: Whether there is no response at all, rather than one that can't be used.
    """

    def __init__(self, what: str, *, missing: bool = False) -> None:
        super().__init__(what)
        self.missing = missing


class CheckpointError(AdapterError):
    """A checkpoint is missing, truncated, or its tensors don't fit the model."""


class DataError(BenchError):
    """A dataset file is missing, changed or malformed."""


class LedgerError(BenchError):
    """A run folder can't be read or written."""


class ProtocolMismatchError(LedgerError):
    """A run folder, or a table, would mix results of different protocols."""


class RunFailedError(BenchError):
    """Every attempted sample failed, so going on would only repeat the failure."""


class RunInterruptedError(BenchError):
    """The user stopped the run; everything finished is stored and the same command continues."""

    exit_code = 130  # 128 + SIGINT, what shells report for Ctrl-C


class OutOfMemoryError(AdapterError):
    """A batch didn't fit into memory; the runner answers with a smaller batch."""
