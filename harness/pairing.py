"""Rows of two runs side by side, sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Protocol, TypeVar

from harness.errors import LedgerError
from harness.records import Sample

__all__ = ["pair_up"]


class _Row(Protocol):
    @property
    def sample(self) -> Sample: ...


R = TypeVar("R", bound=_Row)
"""What is paired: anything that names its sample."""


def pair_up(
    task: str, first: Iterable[R], second: Iterable[R], places: tuple[str, str], remedy: str
) -> Iterator[tuple[R, R]]:
    """Rows of the same samples, in the order that both runs have.

    Args:
        task: Name of the task, for messages.
        first: Rows of the first run.
        second: Rows of the second run.
        places: Where they are from, for messages.
        remedy: What to do where they aren't of the same samples.

    Raises:
        LedgerError: They aren't.
    """
    for a, b in zip_longest(first, second):
        if a is None or b is None or a.sample.key != b.sample.key:
            names = [row.sample.key if row is not None else "nothing" for row in (a, b)]
            raise LedgerError(
                f"task {task!r}: {places[0]} has sample {names[0]} where {places[1]} has "
                f"{names[1]}, though both should hold the same samples",
                remedy,
            )
        yield a, b
