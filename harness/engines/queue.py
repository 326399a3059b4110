"""The queue of shards: who holds what, and what becomes of it when a worker is lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence

from harness.engines.shards import Shard

__all__ = ["ShardQueue"]


class _Lease:
    """A shard in the hands of a worker."""

    def __init__(self, shard: Shard) -> None:
        self.task = shard.task
        self.open = dict.fromkeys(shard.rows)  # a set that keeps its order
        self.begun: dict[int, None] = {}

    def remove(self, row: int) -> None:
        """A row is done, or somebody else's; it may have been so before."""
        self.open.pop(row, None)
        self.begun.pop(row, None)

    def without(self, rows: Iterable[int]) -> Shard:
        """What is open, but for some rows."""
        left_out = set(rows)
        return Shard(self.task, tuple(n for n in self.open if n not in left_out))


class ShardQueue:
    """Shards that wait and shards that are leased, each worker holding one at most.

    A row that is reported leaves its lease at once, so a lost worker loses its batch in flight
    and nothing else. The rows of that batch are suspects: each is tried again alone, so that one
    that kills its worker can't take others along, and is given up after `attempts` lost workers.
    Rows that the worker hadn't begun go back as they were.

    A worker may be lost before it begins anything, which is held against no row. From the second
    time on the shard is halved, down to a single row, which is then a suspect: so a row that kills
    workers before its batch begins is found as well.

    Where nothing waits, an idle worker may be lent rows that another holds. The first report of
    a row counts, and takes it from both. If one of the two is lost, the row stays with the other
    and nothing is held against it, so a row and its copy are one attempt. Rows that a lost worker
    held are never lent again: they may be what killed it.

    Nothing here knows time, processes or Ray.

    Args:
        attempts: Lost workers that a row survives, less one.
        lendable: Tasks whose rows two workers may hold.
    """

    def __init__(self, attempts: int, lendable: Container[str] = ()) -> None:
        self._attempts = attempts
        self._lendable = lendable
        self._waiting: deque[Shard] = deque()
        self._leases: dict[int, _Lease] = {}
        self._losses: Counter[int] = Counter()
        self._dropped: set[str] = set()
        self._spared: set[int] = set()  # rows of shards that were lost before they had begun
        self._lent: set[int] = set()  # rows that two workers hold or held
        self._survivors: set[int] = set()  # rows that some lost worker held

    def __len__(self) -> int:
        """Shards that wait."""
        return len(self._waiting)

    @property
    def lent(self) -> int:
        """Rows that a second worker was given."""
        return len(self._lent)

    @property
    def done(self) -> bool:
        """Whether nothing waits and nobody holds a row that wasn't reported."""
        return not self._waiting and not any(map(self.holds, self._leases))

    def holds(self, worker: int) -> bool:
        """Whether a worker holds rows that weren't reported."""
        return worker in self._leases and bool(self._leases[worker].open)

    def add(self, shards: Iterable[Shard]) -> None:
        """Append shards."""
        self._waiting.extend(shards)

    def lease(self, worker: int) -> Shard | None:
        """Give the first waiting shard to a worker that holds none; `None` if nothing waits."""
        if not self._waiting:
            return None
        shard = self._waiting.popleft()
        self._leases[worker] = _Lease(shard)
        return shard

    def begin(self, worker: int, rows: Sequence[int]) -> None:
        """A worker begins a batch."""
        lease = self._leases[worker]
        lease.begun = {n: None for n in rows if n in lease.open}

    def finish(self, worker: int, row: int) -> bool:
        """A row was reported; `False` if it isn't open, so the report is to be ignored."""
        lease = self._leases.get(worker)
        if lease is None or row not in lease.open:
            return False
        lease.remove(row)
        if row in self._lent:
            for other in self._leases.values():
                other.remove(row)
        return True

    def lend_rest(self, worker: int) -> Shard | None:
        """Lend a worker that holds none what another hasn't begun.

        It's taken from the end of the lease that has most left, as much as its holder begins at
        once, so that the two meet where they're done.
        """
        begun = [lease for lease in self._leases.values() if lease.begun]
        lease = max(begun, key=lambda found: len(self._rest(found)), default=None)
        if lease is None:
            return None
        return self._lend(worker, lease.task, self._rest(lease)[-len(lease.begun) :])

    def lend_batch(self, worker: int, holder: int) -> Shard | None:
        """Lend a worker that holds none the batch that another has begun."""
        return self._lend(worker, self._leases[holder].task, self.lendable_batch(holder))

    def lendable_batch(self, holder: int) -> list[int]:
        """Rows of the batch that a worker has begun, as far as they may be lent."""
        lease = self._leases[holder]
        return [n for n in lease.begun if self._may_lend(lease.task, n)]

    def release(self, worker: int) -> bool:
        """A worker is through with its shard; `False` if it left rows out.

        These are suspects once the worker is given to `lose`, which bounds how often they're tried.
        """
        lease = self._leases[worker]
        if lease.open:
            lease.begun = dict(lease.open)
            return False
        del self._leases[worker]
        return True

    def hand_back(self, worker: int) -> None:
        """Take a shard from a worker that is stopped on purpose; nothing is held against it."""
        lease = self._leases.pop(worker, None)
        if lease is not None and lease.open:
            self._leave_to_others(lease)
            self._put_back([lease.without(())])

    def lose(self, worker: int) -> list[int]:
        """A worker is lost; return the rows that are given up with it.

        Everything else that it held waits again, before all others, unless its task was dropped.
        """
        lease = self._leases.pop(worker, None)
        if lease is None or not lease.open:
            return []
        began = bool(lease.begun)
        self._survivors.update(lease.open)
        self._leave_to_others(lease)
        suspects = list(lease.begun) if began else self._alone(lease)
        self._losses.update(suspects)
        given_up = [n for n in suspects if self._losses[n] >= self._attempts]
        again = [Shard(lease.task, (n,)) for n in suspects if self._losses[n] < self._attempts]
        whole = lease.without(suspects)
        rest = [whole] if began else self._unbegun(whole)
        self._put_back([*again, *rest])
        return given_up

    def _alone(self, lease: _Lease) -> list[int]:
        """The row of a shard that was lost, halved, and lost, until it held no other."""
        alone = len(lease.open) == 1 and self._spared.issuperset(lease.open)
        return list(lease.open) if alone else []

    def _unbegun(self, shard: Shard) -> list[Shard]:
        """A shard that was lost before it had begun: whole the first time, then in halves."""
        if not self._spared.issuperset(shard.rows):
            self._spared.update(shard.rows)
            return [shard]
        half = len(shard.rows) // 2
        return [Shard(shard.task, shard.rows[:half]), Shard(shard.task, shard.rows[half:])]

    def drop(self, task: str) -> int:
        """Forget what waits of a task, and return the number of its rows.

        What is leased of it may still be reported, but doesn't wait again.
        """
        self._dropped.add(task)
        kept = [shard for shard in self._waiting if shard.task != task]
        dropped = sum(len(shard.rows) for shard in self._waiting if shard.task == task)
        self._waiting = deque(kept)
        return dropped

    def _rest(self, lease: _Lease) -> list[int]:
        if len(lease.open) == len(lease.begun):
            return []
        return [n for n in lease.open if n not in lease.begun and self._may_lend(lease.task, n)]

    def _may_lend(self, task: str, row: int) -> bool:
        if task not in self._lendable or task in self._dropped:
            return False
        return row not in self._lent and row not in self._survivors

    def _lend(self, worker: int, task: str, rows: Sequence[int]) -> Shard | None:
        if not rows:
            return None
        shard = Shard(task, tuple(rows))
        self._lent.update(rows)
        self._leases[worker] = _Lease(shard)
        return shard

    def _leave_to_others(self, lease: _Lease) -> None:
        """Take rows out of a lease that has ended, if another worker holds them too."""
        for row in self._lent.intersection(lease.open):
            if any(row in other.open for other in self._leases.values()):
                lease.remove(row)

    def _put_back(self, shards: Sequence[Shard]) -> None:
        """Let shards wait before all others, but for those of tasks that were dropped."""
        kept = [shard for shard in shards if shard.rows and shard.task not in self._dropped]
        self._waiting.extendleft(reversed(kept))

    def losses(self, row: int) -> int:
        """Workers that were lost with a row in hand."""
        return self._losses[row]
