"""Ratios that a noisy machine can't fake: both sides take turns, and the median of the quotients
of neighbouring rounds is what counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from pytest_benchmark.fixture import BenchmarkFixture

__all__ = ["Ratio", "compare"]


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
) -> Ratio:
    """Let both sides take turns, after one warm-up each; the result goes into the report too."""
    fast(), slow()
    quotients = [_seconds(slow) / _seconds(fast) for _ in range(rounds)]
    ratio = Ratio(statistics.median(quotients), min(quotients), max(quotients))
    benchmark.extra_info.update(ratio._asdict())
    benchmark.pedantic(fast, rounds=1, iterations=1)
    return ratio


def _seconds(side: Callable[[], object]) -> float:
    start = time.perf_counter()
    side()
    return time.perf_counter() - start
