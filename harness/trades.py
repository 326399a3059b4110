"""Trade-offs between a score and a cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["front"]

T = TypeVar("T")
"""Whatever has a cost and a score."""


def front(items: Sequence[T], cost: Callable[[T], float], score: Callable[[T], float]) -> list[T]:
    """The items that no other beats: cheaper ones score less. By rising cost.

    Args:
        items: What to choose from.
        cost: What one costs; less is better.
        score: What one scores; more is better.

    Example:
        >>> front([(1, 5), (2, 4), (3, 6)], lambda x: x[0], lambda x: x[1])
        [(1, 5), (3, 6)]
    """
    best: list[T] = []
    for item in sorted(items, key=lambda one: (cost(one), -score(one))):
        if not best or score(item) > score(best[-1]):
            best.append(item)
    return best
