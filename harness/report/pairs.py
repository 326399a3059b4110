"""Which runs of a report are compared, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec

from harness.compare import Comparison, Difference, compare_runs
from harness.compare.page import difference_bar
from harness.errors import LedgerError
from harness.report.drawing import Mark
from harness.report.runs import ReportRun

__all__ = ["ALL_PAIRS", "Pair", "compare_pairs", "difference_mark"]

ALL_PAIRS = 4
"""Up to so many runs, all pairs are compared; of more, each with the first."""


class Pair(NamedTuple):
    """Two runs compared."""

    first: int
    """Number of the run that differences are taken from."""

    second: int
    """Number of the run that is judged."""

    comparison: Comparison
    """What is different, without the list of flipped samples: the page finds them by itself."""


def compare_pairs(runs: Sequence[ReportRun]) -> tuple[list[Pair], list[str]]:
    """Compare runs with one another.

    Returns:
        The comparisons, and notes on those that can't be made.
    """
    numbers = list(combinations(range(len(runs)), 2))
    if len(runs) > ALL_PAIRS:
        numbers = [(0, other) for other in range(1, len(runs))]
    pairs, notes = [], []
    for first, second in numbers:
        try:
            found = compare_runs(runs[first].folder, runs[second].folder)
        except LedgerError as error:
            notes.append(f"{runs[first].label} and {runs[second].label}: {error.what}")
        else:
            pairs.append(Pair(first, second, msgspec.structs.replace(found, flips=())))
    return pairs, notes


def difference_mark(difference: Difference) -> Mark | None:
    """The difference with its interval, on an axis whose middle is no difference."""
    bar = difference_bar(difference)
    return None if bar is None else Mark(bar["value"], bar["low"], bar["width"])
