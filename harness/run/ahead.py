"""One thread that runs a task's own code while the model works: requests ahead, scores behind.

A task is never called from two threads at once, so its code needn't be thread-safe.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from harness.ledger import LedgerWriter
from harness.records import Outcome, Response
from harness.run.asking import Ask
from harness.run.judging import Ready, judge
from harness.run.tasks import PlannedTask
from harness.task import FollowUpTask, Task

__all__ = ["EarlyScores", "Pace", "chunks", "in_advance", "task_thread"]

T = TypeVar("T")
R = TypeVar("R")

_SHARE = 0.25
"""Scoring may take this share of the time; a slower scorer would keep requests from the model."""

_FAST = 0.002
"""Seconds of work below which more is handed over at once."""

_MOST = 256
"""Items that are handed over at once at most."""


@contextmanager
def task_thread() -> Iterator[ThreadPoolExecutor]:
    """The thread; work that it hasn't begun when the block ends is dropped."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="task")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items.

    Example:
        >>> list(chunks("abc", 2))
        [['a', 'b'], ['c']]
    """
    stream = iter(items)
    while chunk := list(islice(stream, size)):
        yield chunk


class Pace:
    """How many items to hand over at once: few slow ones, many fast ones.

    Handing over costs some ten microseconds, so what takes microseconds goes in hundreds, while
    decoded pictures, which are large, go in a few.

    Args:
        least: Items to begin with.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self.size = least

    def note(self, seconds: float) -> None:
        """Take the time that the last hand-over kept the thread busy."""
        if seconds < _FAST:
            self.size = min(2 * self.size, max(self._least, _MOST))
        elif seconds > 4 * _FAST:
            self.size = max(self.size // 2, self._least)


class _Timed(NamedTuple, Generic[R]):
    made: R
    seconds: float


def in_advance(
    pool: ThreadPoolExecutor, work: Callable[[list[T]], list[R]], items: Iterable[T], least: int
) -> Iterator[R]:
    """What `work` makes of some items at a time, in order; the next are made while some are used.

    The items themselves are read in the caller's thread.

    Args:
        pool: The task's thread.
        work: What is done there.
        items: What it's done to.
        least: Items to hand over at once, to begin with.
    """
    pace, stream, coming = Pace(least), iter(items), deque[Future[_Timed[list[R]]]]()
    while part := list(islice(stream, pace.size)):
        coming.append(pool.submit(_timed, work, part))
        if len(coming) > 1:
            yield from _taken(coming.popleft(), pace)
    while coming:
        yield from _taken(coming.popleft(), pace)


def _taken(coming: Future[_Timed[R]], pace: Pace) -> R:
    done = coming.result()
    pace.note(done.seconds)
    return done.made


def _timed(work: Callable[[T], R], item: T) -> _Timed[R]:
    start = time.monotonic()
    return _Timed(work(item), time.monotonic() - start)


class EarlyScores:
    """Scores responses in the task's thread while the model makes the next ones.

    It's a shortcut and no promise: what has no outcome in the end is scored in the score phase.
    Tasks with a judge, or with anything to load, are left to that phase, since a judge needs the
    memory that the model has; so are tasks whose samples follow others.

    Args:
        planned: The task.
        ledger: Where outcomes go; only the caller's thread writes there.
        pool: The task's thread.
        least: Responses given to the scorer at once, to begin with.
    """

    def __init__(
        self, planned: PlannedTask, ledger: LedgerWriter, pool: ThreadPoolExecutor, least: int
    ) -> None:
        self._task = planned.task
        self._ledger = ledger
        self._pool = pool
        self._pace = Pace(least)
        self._gathered: list[Ready] = []
        self._coming: Future[_Timed[list[tuple[int, Outcome]]]] | None = None
        self._busy = 0.0
        self._start = time.monotonic()
        plain = type(planned.task).prepare is Task.prepare
        alone = not isinstance(planned.task, FollowUpTask)
        self._wanted = plain and alone and planned.plan.protocol.judge is None

    def take(self, ask: Ask, response: Response) -> None:
        """Take a response whose row is in the ledger."""
        if not self._wanted:
            return
        self._gathered.append(Ready(ask.n, ask.sample, response))
        if len(self._gathered) >= self._pace.size:
            self.collect()
            if self._coming is None and self._has_time():
                self._coming = self._pool.submit(_timed, self._score, self._gathered)
            self._gathered = []  # of a scorer that is too slow the score phase takes the rest

    def collect(self, *, wait: bool = False) -> None:
        """Add the outcomes that are there.

        Args:
            wait: Whether to wait for those under way.
        """
        if self._coming is not None and (wait or self._coming.done()):
            scored = self._coming.result()
            self._coming = None
            self._busy += scored.seconds
            self._pace.note(scored.seconds)
            for n, outcome in scored.made:
                self._ledger.add_outcome(n, outcome)

    def _score(self, ready: list[Ready]) -> list[tuple[int, Outcome]]:
        return judge(self._task, ready)

    def _has_time(self) -> bool:
        return self._busy <= _SHARE * (time.monotonic() - self._start)
