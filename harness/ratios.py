"""Aggregations of two scores: what a sample adds to the ratio, and at worst and best.

A row of `RATIOS` is all that aggregation, comparison and gate know about such an aggregation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from harness.records import Aggregation

__all__ = ["RATIOS", "RatioRule"]

Pair: TypeAlias = tuple[float, float]


class RatioRule(NamedTuple):
    """One aggregation of two scores."""

    parts: Callable[[float, float], Pair]
    """Numerator and denominator that a sample adds, from `score` and `over`."""

    binary: bool = True
    """Whether both scores are 0 or 1."""

    exponential: bool = False
    """Whether e to the ratio is meant."""

    worst: Pair = (0.0, 1.0)
    """What an unknown sample adds at worst, if `binary`."""

    best: Pair = (1.0, 1.0)
    """What an unknown sample adds at best, if `binary`."""


def _plain(score: float, over: float) -> Pair:
    return score, over


RATIOS: Mapping[Aggregation, RatioRule] = {
    Aggregation.RATIO: RatioRule(_plain, binary=False),
    Aggregation.EXP_RATIO: RatioRule(_plain, binary=False, exponential=True),
    Aggregation.PRECISION: RatioRule(lambda called, actual: (called * actual, called)),
    Aggregation.RECALL: RatioRule(lambda called, actual: (called * actual, actual)),
    Aggregation.F1: RatioRule(
        lambda called, actual: (2 * called * actual, called + actual), best=(2.0, 2.0)
    ),
}
"""The rules; aggregations that aren't here take one score."""
