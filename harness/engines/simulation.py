"""The scheduler on simulated workers: queue, leases, retries and timeouts are the real ones.

Only the fleet is made up: its clock jumps from one event to the next, and batches take as long as
a run's ledger says they took. Everything random comes from one seed.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Container, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec

from harness.engines.driving import drive
from harness.engines.fleet import Began, Event, Idle, Lost, Placed, Ready, Reported
from harness.engines.pool import Pool
from harness.engines.queue import ShardQueue
from harness.engines.service import ServiceTime
from harness.engines.shards import Shard
from harness.records import Record

__all__ = ["Faults", "Simulated", "SimulatedFleet", "simulate"]


class Faults(Record, frozen=True, kw_only=True):
    """What goes wrong with simulated workers."""

    deaths_per_hour: float = 0.0
    """Rate at which a busy worker dies."""

    hangs: float = 0.0
    """Share of shards in which a worker hangs, in [0, 1]."""

    deadly: frozenset[int] = frozenset()
    """Rows that kill any worker that begins them."""

    slow: dict[int, float] = msgspec.field(default_factory=dict)
    """Workers by number, from 1 on, whose batches take that many times as long."""


class Simulated(Record, frozen=True, kw_only=True):
    """What came of a simulated run."""

    workers: int
    """Workers."""

    shards: int
    """Shards that were planned."""

    makespan_s: float
    """Seconds from the first lease to the last report; the start of workers isn't in it."""

    busy_s: float
    """Seconds that workers spent on batches whose reports counted, summed."""

    longest_s: float
    """Seconds of the longest shard."""

    tail_s: float
    """Seconds at the end in which no shard waits."""

    finished: int
    """Samples that came back."""

    given_up: int
    """Samples that were given up."""

    lost: int
    """Workers that were lost or replaced."""

    lent: int
    """Samples that a second worker was given."""

    @property
    def idle_share(self) -> float:
        """Share of all workers' time in which they did nothing that counted, in [0, 1]."""
        return 1 - self.busy_s / (self.workers * self.makespan_s)

    @property
    def bound_s(self) -> float:
        """Seconds that no schedule can undercut in which each shard stays with one worker."""
        return max(self.busy_s / self.workers, self.longest_s)


class _Counting:
    """Keeper that counts."""

    def __init__(self) -> None:
        self.busy_s = 0.0
        self.finished: list[int] = []
        self.given_up: list[int] = []

    def welcome(self, hello: Any) -> str:  # noqa: ARG002 -- all simulated workers are alike
        return ""

    def pack(self, shard: Shard) -> Shard:
        return shard

    def keep(self, reports: Sequence[tuple[int, float]]) -> None:
        self.finished.extend(n for n, _ in reports)
        self.busy_s += sum(seconds for _, seconds in reports)

    def give_up(self, rows: Sequence[int], reason: str) -> None:  # noqa: ARG002 -- counted only
        self.given_up.extend(rows)


class SimulatedFleet:
    """Workers whose batches take as long as `service` says.

    Args:
        service: Service times by task.
        batch: Samples of a full batch.
        seed: Seed of everything random.
        latency_s: Seconds between a lease and its first batch.
        faults: What goes wrong.
    """

    def __init__(
        self,
        service: Mapping[str, ServiceTime],
        batch: int,
        *,
        seed: int,
        latency_s: float = 0.0,
        faults: Faults = Faults(),  # noqa: B008 -- frozen
    ) -> None:
        self.longest_s = 0.0
        self.lost = 0
        self._service = service
        self._batch = batch
        self._seed = seed
        self._latency = latency_s
        self._faults = faults
        self._dice = random.Random(seed)
        self._clock = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Event]] = []
        self._alive: set[int] = set()
        self._numbers = itertools.count(1)

    def start(self, role: str) -> int:  # noqa: ARG002 -- one role is simulated
        """A worker that is ready at once."""
        worker = next(self._numbers)
        self._alive.add(worker)
        self._at(self._clock, Placed(worker))
        self._at(self._clock, Ready(worker, None))
        return worker

    def needs(self, role: str) -> str:
        """Nothing: there's a place for everyone."""
        return f"nothing for a {role}"

    def send(self, worker: int, work: Shard) -> None:
        """Lay out what the worker will do with a shard, up to its death if that comes first."""
        hangs = self._dice.random() < self._faults.hangs
        end = self._clock if hangs else self._death()
        through = self._lay_out(worker, work, end)
        if through is not None:
            self.longest_s = max(self.longest_s, through - self._clock)
            self._at(through, Idle(worker))
            return
        self.lost += 1
        if not hangs:
            self._at(max(end, self._clock), Lost(worker, "died"))

    def _lay_out(self, worker: int, work: Shard, end: float) -> float | None:
        """Moment at which the shard is done; `None` if the worker's end comes first."""
        moment = self._clock + self._latency
        for start in range(0, len(work.rows), self._batch):
            rows = work.rows[start : start + self._batch]
            self._at(moment, Began(worker, rows))
            seconds = self._seconds(work.task, rows) * self._faults.slow.get(worker, 1.0)
            if moment + seconds > end or self._faults.deadly & set(rows):
                return None
            moment += seconds
            self._at(moment, Reported(worker, [(n, seconds / len(rows)) for n in rows]))
        return moment

    def stop(self, worker: int) -> None:
        """End a worker; its events are dropped."""
        self._alive.discard(worker)

    def wait(self, timeout: float) -> Sequence[Event]:
        """Jump to the next moment at which something happens."""
        while self._events and not self._concerns(self._events[0][2]):
            heapq.heappop(self._events)
        if not self._events or self._events[0][0] > self._clock + timeout:
            self._clock += timeout
            assert self._clock < float("inf")  # noqa: S101 -- else nothing will ever happen
            return []
        self._clock = self._events[0][0]
        return list(self._due())

    def now(self) -> float:
        """Simulated seconds."""
        return self._clock

    def _due(self) -> Sequence[Event]:
        due: list[Event] = []
        while self._events and self._events[0][0] <= self._clock:
            event = heapq.heappop(self._events)[2]
            if self._concerns(event):
                due.append(event)
        return due

    def _concerns(self, event: Event) -> bool:
        return event.worker in self._alive

    def _at(self, moment: float, event: Event) -> None:
        heapq.heappush(self._events, (moment, next(self._order), event))

    def _seconds(self, task: str, rows: Sequence[int]) -> float:
        draw = crc32(f"{self._seed}:{rows[0]}".encode())  # whoever serves it, and whenever
        return self._service[task].draw_s(len(rows), draw)

    def _death(self) -> float:
        rate = self._faults.deaths_per_hour / 3600
        return self._clock + self._dice.expovariate(rate) if rate else float("inf")


def simulate(
    shards: Sequence[Shard],
    workers: int,
    service: Mapping[str, ServiceTime],
    *,
    batch: int,
    seed: int = 0,
    latency_s: float = 0.0,
    faults: Faults = Faults(),  # noqa: B008 -- frozen
    attempts: int = 3,
    hang_after: float = 900.0,
    lendable: Container[str] = (),
) -> Simulated:
    """Run the scheduler on simulated workers.

    Args:
        shards: What is to be done.
        workers: Workers.
        service: Service times of every task.
        batch: Samples of a full batch.
        seed: Seed of everything random.
        latency_s: Seconds between a lease and its first batch.
        faults: What goes wrong.
        attempts: See `ShardQueue`.
        hang_after: See `Pool`.
        lendable: See `ShardQueue`.
    """
    fleet = SimulatedFleet(service, batch, seed=seed, latency_s=latency_s, faults=faults)
    queue, keeper = ShardQueue(attempts, lendable), _Counting()
    queue.add(shards)
    pool = Pool(
        "worker",
        wanted=workers,
        queue=queue,
        fleet=fleet,
        keeper=keeper,
        hang_after=hang_after,
        start_within=float("inf"),
    )
    pool.start(workers)
    emptied = 0.0

    def after() -> None:
        nonlocal emptied
        if len(queue):
            emptied = fleet.now()

    drive([pool], fleet, look_every=float("inf"), after=after)
    return Simulated(
        workers=workers,
        shards=len(shards),
        makespan_s=fleet.now(),
        busy_s=keeper.busy_s,
        longest_s=fleet.longest_s,
        tail_s=fleet.now() - emptied,
        finished=len(keeper.finished),
        given_up=len(keeper.given_up),
        lost=fleet.lost,
        lent=queue.lent,
    )
