"""Detections by score, with equal scores in the order in which the original has them.

Which of 20 equally scored boxes are among the best 16 is decided by the sorting algorithm alone.
The original sorts with numpy 1.23's `argsort`, which isn't stable beyond 16 rows, and whose order
of equal values changed in later numpy versions and depends on the processor there. So the order is
spelt out here: a quicksort with the median of three as pivot that leaves runs of up to 16 rows to
insertion sort (the classical scheme of Sedgewick, 1978), in the variant of numpy 1.23.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["rank_descending"]

_INSERTION_SPAN = 15  # runs whose ends are at most this far apart go to insertion sort


def rank_descending(scores: Sequence[float]) -> list[int]:
    """Order rows from the highest score to the lowest.

    As `np.argsort(scores)[::-1]` of numpy 1.23 in `evaluate_image` of djghosh13/geneval at commit
    af4902f: up to 16 rows, equal scores come in reverse order of their rows; beyond, in the order
    that numpy's quicksort leaves.

    Args:
        scores: Comparable numbers; NaN isn't allowed.

    Returns:
        Row indices.

    Example:
        >>> rank_descending([0.5, 0.9, 0.5])
        [1, 2, 0]
    """
    rows = list(range(len(scores)))
    spans = [(0, len(rows) - 1)]
    while spans:
        low, high = spans.pop()
        while high - low > _INSERTION_SPAN:
            middle = _partition(rows, scores, low, high)
            spans.append((middle + 1, high))
            high = middle - 1
        _insertion_sort(rows, scores, low, high)
    return rows[::-1]


def _insertion_sort(rows: list[int], scores: Sequence[float], low: int, high: int) -> None:
    # A stable sort, so the built-in one gives the same order.
    rows[low : high + 1] = sorted(rows[low : high + 1], key=scores.__getitem__)


def _partition(rows: list[int], scores: Sequence[float], low: int, high: int) -> int:
    """Split rows[low..high] around a pivot; gives the pivot's final place."""
    middle = low + (high - low) // 2
    for left, right in ((low, middle), (middle, high), (low, middle)):
        if scores[rows[right]] < scores[rows[left]]:
            _swap(rows, left, right)
    pivot = scores[rows[middle]]
    _swap(rows, middle, high - 1)
    left, right = low, high - 1
    while True:
        left += 1
        while scores[rows[left]] < pivot:
            left += 1
        right -= 1
        while pivot < scores[rows[right]]:
            right -= 1
        if left >= right:
            break
        _swap(rows, left, right)
    _swap(rows, left, high - 1)
    return left


def _swap(rows: list[int], left: int, right: int) -> None:
    rows[left], rows[right] = rows[right], rows[left]
