"""A task's scored samples as a sequence that isn't held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from harness.ledger.ledger import Ledger
from harness.records import ScoredSample

__all__ = ["ScoredView"]


class ScoredView(Sequence[ScoredSample]):
    """Scored samples of one task, read from the ledger each time they're iterated.

    Args:
        ledger: Open ledger; it must stay open while the view is used.
        task: Name of a planned task.
    """

    def __init__(self, ledger: Ledger, task: str) -> None:
        self._ledger = ledger
        self._task = task
        self._length = ledger.total(task) or 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[ScoredSample]:
        return self._ledger.scored(self._task)

    @overload
    def __getitem__(self, index: int) -> ScoredSample: ...

    @overload
    def __getitem__(self, index: slice) -> list[ScoredSample]: ...

    def __getitem__(self, index: int | slice) -> ScoredSample | list[ScoredSample]:
        """One sample, or a list for a slice."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._ledger.scored_at(self._task, index % self._length)
