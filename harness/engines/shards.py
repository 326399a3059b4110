"""Cutting a run into shards: large ones first, small ones last, so that all workers end together.

Sizes follow factoring (Hummel, Schonberg and Flynn 1992): in each round the workers share out a
part of what is left, so late shards are small enough to even out what the early ones took. How a
run is cut changes its speed alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.records import Record

__all__ = ["Cut", "Rows", "Shard", "cut"]

_KEPT = 0.75  # of a shard's size that must be left for its end to move to a group's end


class Shard(NamedTuple):
    """Samples that one worker takes at once."""

    task: str
    """Name of the task."""

    rows: tuple[int, ...]
    """Row numbers of the samples, in the task's order."""


class Rows(NamedTuple):
    """Samples of one task that wait for a response."""

    task: str
    """Name of the task."""

    rows: Sequence[tuple[int, str]]
    """Row number and group of each, in the task's order; samples about one picture or prompt are
    neighbours and share a group."""

    whole: bool = False
    """Whether they can't be cut, as the measurements of a probe."""


class Cut(Record, frozen=True, kw_only=True):
    """How to cut."""

    workers: int
    """Workers that share the run; at least 1."""

    batch: int
    """Samples of a full batch; larger shards hold whole batches."""

    share: float = 2.0
    """A round takes `1 / share` of what is left. 1 deals out nearly everything at once, which is
    best if samples take equally long; 2 and more keep a reserve for those that don't."""

    groups: bool = True
    """Whether samples about one picture or prompt stay together where that's cheap."""

    most_batches: int = 8
    """Batches of the largest shard, so that progress and a clean stop come in time."""


def cut(work: Sequence[Rows], how: Cut) -> list[Shard]:
    """Cut what is to be done; a function of its arguments alone.

    A shard holds samples of one task. Groups stay together where that costs a shard at most a
    quarter of its size, and are split down to single samples where shards must be smaller.

    Example:
        >>> work = [Rows("t", [(n, f"prompt {n // 4}") for n in range(16)])]
        >>> [shard.rows for shard in cut(work, Cut(workers=2, batch=4, share=2.0))][:3]
        [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    """
    left, size, planned = sum(len(part.rows) for part in work), 0, 0
    shards: list[Shard] = []
    for part in work:
        start = 0
        while start < len(part.rows):
            if planned == 0:
                size, planned = _size(left, how), how.workers
            end = _end(part, start, size, how)
            shards.append(Shard(part.task, tuple(n for n, _ in part.rows[start:end])))
            left, planned, start = left - (end - start), planned - 1, end
    return shards


def _size(left: int, how: Cut) -> int:
    """Samples of each shard of the round that begins."""
    fair = int(left / (how.share * how.workers) + 1e-9)  # a share may come of a division
    batches = min(fair // how.batch, how.most_batches)
    return max(1, batches * how.batch if batches else fair)


def _end(part: Rows, start: int, size: int, how: Cut) -> int:
    if part.whole:
        return len(part.rows)
    end = min(start + size, len(part.rows))
    if not how.groups:
        return end
    return max(_group_ends(part.rows, start + math.ceil(_KEPT * size), end), default=end)


def _group_ends(rows: Sequence[tuple[int, str]], first: int, last: int) -> Iterator[int]:
    """Positions in [first, last] behind which another group begins, or nothing."""
    for end in range(first, last + 1):
        if end == len(rows) or rows[end][1] != rows[end - 1][1]:
            yield end
