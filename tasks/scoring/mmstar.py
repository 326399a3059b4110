"""MMStar: accuracy by the mean over its eighteen finer categories."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

__all__ = ["MMStarReport", "mmstar_report"]


class MMStarReport(msgspec.Struct, frozen=True, kw_only=True):
    """MMStar's accuracies, all in [0, 1]."""

    per_category: dict[str, float]
    """Each of the six core capabilities: the mean over its finer categories."""
    average: float
    """Mean over all finer categories: what lmms-eval reports."""
    accuracy: float
    """Share of right answers: what VLMEvalKit reports."""
    n: int
    """Questions."""


def mmstar_report(rows: Iterable[tuple[str, str, bool]]) -> MMStarReport:
    """Average right answers as lmms-eval does, with the plain share beside it.

    `average` and `per_category` are `mmstar_aggregate_results` of EvolvingLMMs-Lab/lmms-eval at
    commit 75571cf. On the whole benchmark its categories are equally large, and `average` and
    `accuracy` nearly agree; on a part of it they don't.

    Args:
        rows: Category, finer category and whether the answer is right, of each question.

    Returns:
        The accuracies.

    Raises:
        ValueError: There is no question.

    Example:
        >>> rows = [("math", "geometry", True), ("math", "geometry", True), ("math", "sums", False)]
        >>> report = mmstar_report(rows)
        >>> report.average, round(report.accuracy, 3)
        (0.5, 0.667)
    """
    judged = list(rows)
    if not judged:
        raise ValueError("no answers to score")
    by_category: dict[str, list[tuple[str, bool]]] = {}
    for category, finer, right in judged:
        by_category.setdefault(category, []).append((finer, right))
    return MMStarReport(
        per_category={name: _mean_of_means(group) for name, group in by_category.items()},
        average=_mean_of_means((finer, right) for _, finer, right in judged),
        accuracy=sum(right for *_, right in judged) / len(judged),
        n=len(judged),
    )


def _mean_of_means(rows: Iterable[tuple[str, bool]]) -> float:
    groups: dict[str, list[bool]] = {}
    for finer, right in rows:
        groups.setdefault(finer, []).append(right)
    return sum(sum(group) / len(group) for group in groups.values()) / len(groups)
