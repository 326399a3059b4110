"""Workers that aren't ready yet: who is waited for, for how long, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.engines.driving import drive
from harness.engines.fleet import Event, Idle, Lost, Placed, Ready, Reported, Unfit
from harness.engines.pool import Pool
from harness.engines.queue import ShardQueue
from harness.engines.shards import Shard
from harness.engines.starting import Starting

HOUR = 3600.0


def test_only_loading_is_bounded():
    starting = Starting(30.0)
    starting.ask(1, 0.0)
    starting.ask(2, 0.0)
    assert starting.late(100 * HOUR) == []
    starting.place(2, 100 * HOUR)
    assert starting.late(100 * HOUR + 29) == []
    assert starting.late(100 * HOUR + 30) == [2]
    assert starting.until() <= 100 * HOUR + 30


def test_waits_are_told_at_growing_intervals():
    starting = Starting(30.0)
    for worker in range(3):
        starting.ask(worker, 5.0)
    told = []
    while starting.until() < 2 * HOUR:
        now = starting.until()
        assert starting.overdue(now - 0.01) is None
        told.append(starting.overdue(now))
        assert starting.overdue(now) is None, "once"
    seconds = [10, 30, 70, 150, 310, 630, *range(1230, 2 * int(HOUR) - 5, 600)]
    assert told == [(3, float(s)) for s in seconds]


def test_a_new_wait_is_told_early_again():
    starting = Starting(30.0)
    starting.ask(1, 0.0)
    for now in (10.0, 30.0, 70.0):
        assert starting.overdue(now) == (1, now)
    starting.place(1, 71.0)
    assert starting.overdue(1000.0) is None
    assert starting.remove(1)
    assert not starting.remove(1)
    assert (len(starting), starting.until()) == (0, float("inf"))
    starting.ask(2, 2000.0)
    assert starting.until() == 2010.0


class Scripted:
    """A fleet whose news are laid down: seconds after which each comes, by the worker's number."""

    def __init__(self, script: dict[int, list[tuple[float, Any]]]) -> None:
        self._script = script
        self._clock = 0.0
        self._coming: list[tuple[float, int, Event]] = []
        self.started = 0
        self.stopped: list[int] = []

    def start(self, role: str) -> int:
        self.started += 1
        for after, made in self._script.get(self.started, []):
            self._coming.append((self._clock + after, self.started, made(self.started)))
        return self.started

    def needs(self, role: str) -> str:
        return "a chair"

    def send(self, worker: int, work: Shard) -> None:
        reported = Reported(worker, [(n,) for n in work.rows])
        self._coming += [(self._clock + 1, worker, e) for e in (reported, Idle(worker))]

    def stop(self, worker: int) -> None:
        self.stopped.append(worker)

    def wait(self, timeout: float) -> Sequence[Event]:
        self._coming = [c for c in self._coming if c[1] not in self.stopped]
        moment = min((c[0] for c in self._coming), default=float("inf"))
        assert min(moment, self._clock + timeout) < float("inf"), "nothing will ever happen"
        if moment > self._clock + timeout:
            self._clock += timeout
            return []
        self._clock = moment
        due = [c for c in self._coming if c[0] <= moment]
        self._coming = [c for c in self._coming if c[0] > moment]
        return [event for _, _, event in due]

    def now(self) -> float:
        return self._clock


class Kept:
    """A keeper that takes everyone."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def welcome(self, hello: Any) -> str:
        return ""

    def pack(self, shard: Shard) -> Shard:
        return shard

    def keep(self, reports: Sequence[tuple[int]]) -> None:
        self.rows += [n for (n,) in reports]

    def give_up(self, rows: Sequence[int], reason: str) -> None:
        pytest.fail(reason)


def ready(worker: int) -> Event:
    return Ready(worker, None)


def lost(worker: int) -> Event:
    return Lost(worker, "taken back")


def unfit(worker: int) -> Event:
    return Unfit(worker, "no weights")


class Driven:
    """A pool over a scripted fleet, driven to its end, with one shard per worker."""

    def __init__(
        self, wanted: int, script: dict[int, list[tuple[float, Any]]], *, within: float = 30.0
    ) -> None:
        self.fleet, self.kept, self.said = Scripted(script), Kept(), list[str]()
        queue = ShardQueue(3)
        queue.add(Shard("t", (n,)) for n in range(wanted))
        self.pool = Pool(
            "worker",
            wanted=wanted,
            queue=queue,
            fleet=self.fleet,
            keeper=self.kept,
            hang_after=900.0,
            start_within=within,
            say=self.said.append,
        )
        drive([self.pool], self.fleet)


def test_a_place_may_take_hours_to_come():
    driven = Driven(2, {n: [(n * HOUR, Placed), (n * HOUR + 29, ready)] for n in (1, 2)})
    assert sorted(driven.kept.rows) == [0, 1]
    assert driven.pool.failure is None
    assert driven.said[:2] == [
        f"2 of 2 workers have no place yet after {seconds} s; each needs a chair"
        for seconds in (10, 30)
    ]
    # The first one does both shards, long before the other's place comes.
    assert driven.fleet.now() == pytest.approx(HOUR + 31)


def test_loading_is_bounded_from_the_place_on():
    driven = Driven(1, {1: [(HOUR, Placed), (HOUR + 31, ready)]})
    assert driven.pool.failure == "no worker was ready within 30 s of getting its place"
    assert driven.fleet.now() == pytest.approx(HOUR + 30)
    assert driven.fleet.stopped == [1]


def test_one_that_is_late_does_not_end_what_others_still_load():
    driven = Driven(2, {1: [(0, Placed)], 2: [(25, Placed), (50, ready)]})
    assert "worker 1 is lost: it wasn't ready within 30 s of getting its place" in driven.said
    assert sorted(driven.kept.rows) == [0, 1]


def test_a_worker_lost_while_it_loads_has_another_wait_for_its_place():
    """As a spot instance that is taken back at once; the next may be far away."""
    driven = Driven(1, {1: [(5, Placed), (10, lost)], 2: [(HOUR, Placed), (HOUR + 29, ready)]})
    assert driven.said[0] == "worker 1 is lost: taken back"
    assert driven.said[1] == "1 of 1 workers have no place yet after 10 s; each needs a chair"
    assert driven.kept.rows == [0]


@pytest.mark.parametrize("news", [lost, unfit])
@pytest.mark.parametrize("placed", [False, True])
def test_starts_that_fail_three_times_are_the_end(news: Any, placed: bool):
    script = [(5.0, Placed)] * placed + [(6.0, news)]
    driven = Driven(1, dict.fromkeys(range(1, 10), script))
    reason = "taken back" if news is lost else "no weights"
    assert driven.pool.failure == f"no worker could be started:\n{reason}"
    assert driven.fleet.started == 3


def test_no_machine_is_waited_for_by_a_model_that_cannot_be_built():
    """There's room for one at a time; the others' requests are taken back."""
    script = {n: [(10.0 * n, Placed), (10.0 * n + 1, unfit)] for n in range(1, 5)}
    driven = Driven(4, script)
    assert driven.pool.failure == "no worker could be started:\nno weights"
    assert 41 <= driven.fleet.now() < 42
    assert driven.fleet.started == 7
    assert driven.fleet.stopped == [5, 6, 7], "which waited"
