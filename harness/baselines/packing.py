"""Scored samples to columns and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from harness.baselines.records import BaselineTask
from harness.records import Outcome, Sample, ScoredSample, TaskResult, Verdict

__all__ = ["flaw", "pack", "unpack"]

T = TypeVar("T")

_LETTERS = {verdict: verdict.value[0] for verdict in Verdict}
_VERDICTS = {letter: verdict for verdict, letter in _LETTERS.items()}


def pack(task: str, scored: Iterable[ScoredSample], result: TaskResult | None) -> BaselineTask:
    """Keep ids, clusters, categories, verdicts and scores of a task's samples.

    Args:
        task: Registry name of the task.
        scored: Its samples in order.
        result: Its metrics; their curves and tables are dropped.
    """
    rows = list(scored)
    names = list(dict.fromkeys(r.sample.category for r in rows if r.sample.category is not None))
    places: dict[str | None, int] = {name: place for place, name in enumerate(names)}
    scores = dict.fromkeys(name for row in rows for name in row.outcome.scores)
    return BaselineTask(
        task=task,
        ids=tuple(row.sample.id for row in rows),
        ks=_unless_all(0, [row.sample.k for row in rows]),
        clusters=_unless_all(None, [row.sample.cluster for row in rows]),
        category_names=tuple(names),
        categories=_unless_all(None, [places.get(row.sample.category) for row in rows]),
        verdicts="".join(_LETTERS[row.outcome.verdict] for row in rows),
        scores={name: tuple(row.outcome.scores.get(name) for row in rows) for name in scores},
        result=result and msgspec.structs.replace(result, extra={}),
    )


def unpack(packed: BaselineTask) -> Iterator[ScoredSample]:
    """The samples in order; what wasn't kept (targets, reasons, details) is empty."""
    count = len(packed.ids)
    ks, clusters = packed.ks or (0,) * count, packed.clusters or (None,) * count
    categories = packed.categories or (None,) * count
    for i in range(count):
        place = categories[i]
        found = {name: column[i] for name, column in packed.scores.items()}
        yield ScoredSample(
            sample=Sample(
                id=packed.ids[i],
                k=ks[i],
                cluster=clusters[i],
                category=None if place is None else packed.category_names[place],
            ),
            outcome=Outcome(
                verdict=_VERDICTS[packed.verdicts[i]],
                scores={name: value for name, value in found.items() if value is not None},
            ),
        )


def flaw(packed: BaselineTask) -> str:
    """What keeps a task from being unpacked; empty if nothing."""
    columns: dict[str, Sequence[object] | None] = {
        "ks": packed.ks,
        "clusters": packed.clusters,
        "categories": packed.categories,
        "verdicts": packed.verdicts,
        **{f"score {name!r}": column for name, column in packed.scores.items()},
    }
    for name, column in columns.items():
        if column is not None and len(column) != len(packed.ids):
            return f"task {packed.task!r}: {len(packed.ids)} ids and {len(column)} of {name}"
    strange = set(packed.verdicts) - set(_VERDICTS)
    if strange:
        return f"task {packed.task!r}: unknown verdict {strange.pop()!r}"
    known = range(len(packed.category_names))
    if any(place is not None and place not in known for place in packed.categories or ()):
        return f"task {packed.task!r}: a category that has no name"
    return ""


def _unless_all(default: T, values: Sequence[T]) -> tuple[T, ...] | None:
    return None if all(value == default for value in values) else tuple(values)
