"""A pool: workers of one role that pull shards from one queue.

There is no barrier and no collective: a worker that is through takes the next shard, one that is
lost or hangs is replaced, and the others never wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from harness.engines.fleet import Began, Event, Fleet, Idle, Lost, Placed, Ready, Reported, Unfit
from harness.engines.lending import Lending
from harness.engines.queue import ShardQueue
from harness.engines.shards import Shard
from harness.engines.starting import Starting

__all__ = ["Keeper", "Pool"]

_FAILED_STARTS = 3  # in a row, after which the next try waits; more in a large pool
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 600.0  # seconds before it, doubling from try to try
_TICK = 0.001  # seconds


class Keeper(Protocol):
    """What is done with the work of a pool."""

    def welcome(self, hello: Any) -> str:
        """Look at what a new worker says about itself; say why it can't be used, or nothing."""

    def pack(self, shard: Shard) -> Any:
        """A shard with all that a worker needs for it."""

    def keep(self, reports: Sequence[Any]) -> None:
        """Store finished work; each row comes once."""

    def give_up(self, rows: Sequence[int], reason: str) -> None:
        """Store that rows can't be done."""


class Pool:
    """Workers of one role and the shards that they share.

    Args:
        role: What the fleet calls them.
        wanted: How many there may be.
        queue: Their shards.
        fleet: Starts, feeds and stops them.
        keeper: Packs shards and keeps what comes back.
        hang_after: Seconds without news after which a busy worker is replaced.
        start_within: Seconds within which a worker must be ready, once it has its place. A late
            one is replaced; if no other is ready or still in time, that is the end of the pool.
        say: Told what a user should know.
    """

    def __init__(
        self,
        role: str,
        *,
        wanted: int,
        queue: ShardQueue,
        fleet: Fleet,
        keeper: Keeper,
        hang_after: float,
        start_within: float,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.role = role
        self.queue = queue
        self.failure: str | None = None
        self.ready = 0
        self._wanted = wanted
        self._fleet = fleet
        self.keeper = keeper
        self._hang_after = hang_after
        self._start_within = start_within
        self._starting = Starting(start_within)
        self._lending = Lending(queue)
        self._say = say
        self._idle: dict[int, None] = {}
        self._busy: dict[int, float] = {}  # longest silent first
        self._failed_starts = 0
        self._last_failure = ""
        self._pause = 0.0  # seconds between the last failed start and the next try
        self._start_after = 0.0
        self._closing = False
        self._eager = 0  # workers to have although there is no work yet

    @property
    def busy(self) -> bool:
        """Whether there is anything left that this pool can do."""
        if self._closing:
            return any(map(self.queue.holds, self._busy))
        return self.failure is None and not self.queue.done

    @property
    def stranded(self) -> bool:
        """Whether all that it has are workers without a place."""
        return self._size() > 0 and not self._placed

    def owns(self, worker: int) -> bool:
        """Whether a worker belongs to this pool."""
        return worker in self._starting or worker in self._idle or worker in self._busy

    def start(self, count: int) -> None:
        """Start workers before there is work, so that they can get ready."""
        self._eager = count
        self._start(count - self._size())

    def fill(self) -> None:
        """Start workers that are missing, and give a shard to every idle one."""
        if self._closing or self.failure is not None:
            return
        while self._idle and len(self.queue):
            self._feed(next(iter(self._idle)))
        while not len(self.queue) and (lent := self._lending.lend(self._idle, self._fleet.now())):
            self._send(*lent)
        if self._troubled and not self._placed:
            self._fail(f"no {self.role} could be started:\n{self._last_failure}")
            return
        work = len(self.queue) + len(self._busy) + len(self._idle)
        missing = min(self._wanted, max(self._eager, work)) - self._size()
        if not self._troubled:
            self._start(missing)
        elif not len(self._starting) and self._fleet.now() >= self._start_after:
            self._start(min(1, missing))

    def take(self, event: Event) -> None:
        """Act on news of a worker of this pool."""
        match event:
            case Placed(worker):
                self._starting.place(worker, self._fleet.now())
            case Ready(worker, hello):
                self._welcome(worker, hello)
            case Began(worker, rows):
                self._heard(worker)
                self.queue.begin(worker, rows)
                self._lending.began(worker, self._fleet.now())
            case Reported(worker, reports):
                self._heard(worker)
                self._lending.reported(worker, len(reports), self._fleet.now())
                self.keeper.keep([r for r in reports if self.queue.finish(worker, r[0])])
                if self._closing:
                    self._dismiss(worker)
            case Idle(worker):
                self._returned(worker)
            case Unfit(worker, reason) | Lost(worker, reason):
                self._gone(worker, reason)

    def watch(self) -> None:
        """Replace workers that hang or load for too long; say what is waited for."""
        now = self._fleet.now()
        while self._busy:
            worker, heard = next(iter(self._busy.items()))
            if now - heard < self._hang_after:
                break
            self._fleet.stop(worker)
            self._gone(worker, f"it gave no sign for {self._hang_after:g} s")
        self._watch_loading(now)
        self._tell_waiting(now)

    def patience(self) -> float:
        """Seconds until `watch` may have something to do."""
        heard = next(iter(self._busy.values()), None)
        silent = [] if heard is None else [heard + self._hang_after]
        now = self._fleet.now()
        paused = [self._start_after] if self._start_after > now else []
        slow = float("inf") if len(self.queue) else self._lending.until(self._idle)
        until = min([self._starting.until(), slow, *silent, *paused])
        return max(_TICK, until - now)  # else rounding might make it wait for nothing

    def make_room(self) -> None:
        """End workers that have nothing to do, so that others may have their places."""
        if not len(self.queue):
            self._end(self._idle)

    def wind_down(self) -> None:
        """Begin nothing more; workers are dismissed as soon as their batch is stored."""
        self._closing = True
        self._end([*self._starting, *self._idle])

    def stop(self) -> None:
        """End all workers; what they held is forgotten."""
        self.wind_down()
        for worker in list(self._busy):
            self._dismiss(worker)

    def _start(self, count: int) -> None:
        for _ in range(count):
            self._starting.ask(self._fleet.start(self.role), self._fleet.now())

    def _feed(self, worker: int) -> None:
        shard = self.queue.lease(worker)
        assert shard is not None  # noqa: S101 -- the caller looked
        self._eager = 0
        self._send(worker, shard)

    def _send(self, worker: int, shard: Shard) -> None:
        del self._idle[worker]
        self._heard(worker)
        self._fleet.send(worker, self.keeper.pack(shard))

    @property
    def _troubled(self) -> bool:
        """Whether so many starts in a row failed that the next one is likely to."""
        return self._failed_starts >= max(_FAILED_STARTS, self._wanted)

    @property
    def _accompanied(self) -> bool:
        """Whether some worker is ready, so that the run goes on without those that aren't."""
        return bool(self._idle or self._busy)

    @property
    def _placed(self) -> int:
        """Workers that have a place, ready or not."""
        return self._starting.loading + len(self._idle) + len(self._busy)

    def _size(self) -> int:
        return len(self._starting) + len(self._idle) + len(self._busy)

    def _heard(self, worker: int) -> None:
        self._busy.pop(worker, None)
        self._busy[worker] = self._fleet.now()  # to the end: heard of last

    def _welcome(self, worker: int, hello: Any) -> None:
        problem = self.keeper.welcome(hello)
        if problem:
            self._fleet.stop(worker)
            self._gone(worker, problem)
            return
        self._starting.remove(worker)
        self._idle[worker] = None
        self._failed_starts, self._pause = 0, 0.0
        self.ready += 1

    def _returned(self, worker: int) -> None:
        if not self.queue.release(worker):
            self._fleet.stop(worker)
            self._gone(worker, "it left samples of its shard out")
            return
        self._busy.pop(worker)
        if self._closing:
            self._fleet.stop(worker)
        else:
            self._idle[worker] = None

    def _dismiss(self, worker: int) -> None:
        self._fleet.stop(worker)
        self._busy.pop(worker)
        self.queue.hand_back(worker)

    def _gone(self, worker: int, reason: str) -> None:
        self._say(f"{self.role} {worker} is lost: {reason.splitlines()[0]}")
        if self._starting.remove(worker):
            self._start_failed(reason)
        self._idle.pop(worker, None)
        self._busy.pop(worker, None)
        self._lending.forget(worker)
        given_up = self.queue.lose(worker)
        if given_up:
            self.keeper.give_up(given_up, reason)

    def _start_failed(self, reason: str) -> None:
        self._failed_starts += 1
        self._last_failure = reason
        now = self._fleet.now()
        if not self._troubled or not self._accompanied or now < self._start_after:
            return
        self._pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * self._pause))
        self._start_after = now + self._pause
        self._say(
            f"{self._failed_starts} starts of a {self.role} in a row failed; the others work on, "
            f"and the next start is tried in {self._pause:g} s"
        )

    def _watch_loading(self, now: float) -> None:
        late = self._starting.late(now)
        limit = f"ready within {self._start_within:g} s of getting its place"
        if late and len(late) == self._placed:
            self._fail(f"no {self.role} was {limit}")
            return
        for worker in late:
            self._fleet.stop(worker)
            self._gone(worker, f"it wasn't {limit}")

    def _tell_waiting(self, now: float) -> None:
        overdue = self._starting.overdue(now)
        if overdue is not None:
            count, seconds = overdue
            self._say(
                f"{count} of {self._size()} {self.role}s have no place yet after {seconds:.0f} s; "
                f"each needs {self._fleet.needs(self.role)}"
            )

    def _fail(self, reason: str) -> None:
        """Nothing will be done by this pool, so it needs no places either."""
        self.failure = reason
        self._end(self._starting)

    def _end(self, workers: Iterable[int]) -> None:
        """Stop workers that hold no shard."""
        for worker in list(workers):
            self._fleet.stop(worker)
            self._starting.remove(worker)
            self._idle.pop(worker, None)
