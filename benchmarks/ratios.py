"""Ratios that a noisy machine can't fake: both sides take turns, and the median of the quotients
of neighbouring rounds is what counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pytest_benchmark.fixture import BenchmarkFixture

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Ratio", "apart", "compare"]


class Ratio(NamedTuple):
    """How many times longer one side takes."""

    median: float
    """Median over the rounds."""

    low: float
    """Smallest quotient of any round."""

    high: float
    """Largest quotient of any round."""

    def __str__(self) -> str:
        return f"{self.median:.2f}x (rounds from {self.low:.2f} to {self.high:.2f})"


def compare(
    benchmark: BenchmarkFixture,
    fast: Callable[[], object],
    slow: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Let both sides take turns, after one warm-up each; the result goes into the report too.

    With `time.process_time` as the clock, work of one thread is measured in the processor's
    seconds, which other programs on the machine can't take away.
    """
    fast(), slow()
    quotients = [_seconds(slow, clock) / _seconds(fast, clock) for _ in range(rounds)]
    ratio = Ratio(statistics.median(quotients), min(quotients), max(quotients))
    benchmark.extra_info.update(ratio._asdict())
    benchmark.pedantic(fast, rounds=1, iterations=1)
    return ratio


def apart(a: Tensor, b: Tensor) -> float:
    """Largest difference of two sides' results, relative to the second's largest value."""
    return float((a - b).abs().max() / b.abs().max())


def _seconds(side: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    side()
    return clock() - start
