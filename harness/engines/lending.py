"""At the end of a run: what an idle worker takes off the hands of one that is slow.

Backup tasks, as MapReduce has them (Dean and Ghemawat 2004, section 3.6): whoever is through first
counts. What nobody has begun is shared out at once; a batch in flight is repeated only once it
lasts longer than it should, so that workers of equal speed repeat next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.engines.queue import ShardQueue
from harness.engines.shards import Shard

__all__ = ["Lending"]

_SLOW = 1.5  # times what the idle worker would need, after which a batch is repeated


class Lending:
    """Knows how long batches take, and finds work for idle workers where none waits.

    Args:
        queue: Holds what may be lent.
    """

    def __init__(self, queue: ShardQueue) -> None:
        self._queue = queue
        self._since: dict[int, float] = {}  # begin of each worker's batch; longest in flight first
        self._took: dict[int, tuple[int, float]] = {}  # size and seconds of each one's last batch

    def began(self, worker: int, now: float) -> None:
        """A worker begins a batch."""
        self._since.pop(worker, None)
        self._since[worker] = now

    def reported(self, worker: int, size: int, now: float) -> None:
        """A worker reports samples: those of its batch, if it had begun one."""
        since = self._since.pop(worker, None)
        if since is not None:
            self._took[worker] = size, now - since

    def forget(self, worker: int) -> None:
        """A worker is gone."""
        self._since.pop(worker, None)
        self._took.pop(worker, None)

    def lend(self, idle: Iterable[int], now: float) -> tuple[int, Shard] | None:
        """An idle worker, the fastest, and what it should do; `None` if that's nothing yet."""
        worker = self._fastest(idle)
        if worker is None:
            return None
        shard = self._queue.lend_rest(worker)
        if shard is None:
            slow_from, holder = self._slowest(worker)
            shard = self._queue.lend_batch(worker, holder) if slow_from <= now else None
        return None if shard is None else (worker, shard)

    def until(self, idle: Iterable[int]) -> float:
        """The moment from which on `lend` has something, if nothing happens before."""
        worker = self._fastest(idle)
        return float("inf") if worker is None else self._slowest(worker)[0]

    def _slowest(self, worker: int) -> tuple[float, int]:
        """The holder whose batch is the first to last too long, and the moment from which on.

        A small batch isn't expected to be faster than a larger one.
        """
        size, seconds = self._took[worker]
        first = (float("inf"), 0)
        for holder, since in self._since.items():
            if since + _SLOW * seconds >= first[0]:
                break  # they began one after the other
            rows = len(self._queue.lendable_batch(holder))
            if rows:
                slow_from = since + _SLOW * seconds * max(1.0, rows / size)
                first = min(first, (slow_from, holder))
        return first

    def _fastest(self, idle: Iterable[int]) -> int | None:
        """The worker with the least seconds per sample; none if none has finished a batch."""
        known = {worker: self._took[worker] for worker in idle if worker in self._took}
        return min(known, key=lambda worker: known[worker][1] / known[worker][0], default=None)
