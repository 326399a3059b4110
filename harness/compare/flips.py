"""Samples that ended differently, by which way they went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from harness.compare.records import Flip
from harness.records import Verdict

__all__ = ["FlipGroup", "by_direction", "by_task"]


class FlipGroup(NamedTuple):
    """Samples of one task that went the same way."""

    title: str
    """Which way, with their number."""

    flips: list[Flip]
    """The samples, in order."""


def by_task(flips: Sequence[Flip]) -> dict[str, list[Flip]]:
    """The samples of each task, in order."""
    return {task: list(found) for task, found in groupby(flips, lambda flip: flip.task)}


def by_direction(flips: Sequence[Flip]) -> list[FlipGroup]:
    """What got lost, what was gained, and what failed in another way.

    Losses and gains are always named, so that a reader sees where there are none.
    """
    lost, gained = (
        [flip for flip in flips if (flip.first if first else flip.second) is Verdict.OK]
        for first in (True, False)
    )
    neither = [flip for flip in flips if Verdict.OK not in (flip.first, flip.second)]
    groups = [
        FlipGroup(f"{len(lost)} ok in the first run alone", lost),
        FlipGroup(f"{len(gained)} ok in the second run alone", gained),
    ]
    rest = FlipGroup(f"{len(neither)} ok in neither, for other reasons", neither)
    return [*groups, rest] if neither else groups
