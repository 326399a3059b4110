"""A fleet in this process: the real workers' code, stepped in a seeded order, with faults."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.engines.bench import Bench
from harness.engines.fleet import Began, Event, Idle, Lost, Placed, Ready, Reported, Unfit
from harness.engines.replica import Replica
from harness.engines.session import JUDGE, WORKER, DistributedSession, judged_tasks, setup_of
from harness.run.tasks import PlannedTask
from harness.runspec import RunSpec

EVENTS = {"began": Began, "reported": Reported}


class Worker:
    """One worker: what it was made of, and what it is doing."""

    def __init__(self, role: str, setup: bytes, made: Callable[[bytes], Any]) -> None:
        self.role, self.setup, self.make = role, setup, made
        self.placed = False
        self.made: Any = None
        self.stream: Iterator[Any] | None = None
        self.hanging = False
        self.dying = False

    @property
    def able(self) -> bool:
        return not self.hanging and (self.made is None or self.stream is not None)


class InlineFleet:
    """Steps one worker at a time; `fault` says after each item whether its worker breaks."""

    def __init__(
        self, roles: dict[str, tuple[Callable[[bytes], Any], bytes]], engine: Inline
    ) -> None:
        self._roles = roles
        self._engine = engine
        self._dice = random.Random(engine.seed)
        self._numbers = itertools.count(1)
        self._clock = 0.0
        self.workers: dict[int, Worker] = {}

    def start(self, role: str) -> int:
        make, setup = self._roles[role]
        number = next(self._numbers)
        self.workers[number] = Worker(role, setup, make)
        self._engine.started.append(role)
        return number

    def needs(self, role: str) -> str:
        return f"a chair for a {role}"

    def send(self, worker: int, work: Any) -> None:
        self._engine.sent.append((worker, work))
        self.workers[worker].stream = self.workers[worker].made.serve(*work)

    def stop(self, worker: int) -> None:
        del self.workers[worker]

    def wait(self, timeout: float) -> Sequence[Event]:
        self._clock += 0.01
        able = [n for n, worker in self.workers.items() if self._able(n, worker)]
        if not able:
            self._clock += timeout
            return []
        swift = [n for n in able if not self._engine.lags(n)]
        number = self._dice.choice(swift or able)
        return [self._step(number, self.workers[number])]

    def now(self) -> float:
        return self._clock

    def pass_time(self, seconds: float) -> None:
        self._clock += seconds

    def _able(self, number: int, worker: Worker) -> bool:
        return worker.able and (worker.placed or self._engine.has_place(worker.role, number))

    def _step(self, number: int, worker: Worker) -> Event:
        if worker.made is None:
            return self._hello(number, worker) if worker.placed else self._place(number, worker)
        assert worker.stream is not None
        if worker.dying:
            del self.workers[number]
            return Lost(number, "killed by the test")
        kind, content = next(worker.stream, ("idle", None))
        if kind == "idle":
            worker.stream = None
            return Idle(number)
        fault = self._engine.fault(worker.role, kind, content, self._dice)
        if fault == "hang":
            worker.hanging = True
            return Began(number, content) if kind == "began" else Began(number, [])
        if fault == "die" and kind == "began":
            worker.dying = True
        elif fault == "die":
            del self.workers[number]
            return Lost(number, "killed by the test")
        return EVENTS[kind](number, content)

    def _place(self, number: int, worker: Worker) -> Event:
        worker.placed, worker.hanging = True, self._engine.never_ready(number)
        return Placed(number)

    def _hello(self, number: int, worker: Worker) -> Event:
        try:
            worker.made = worker.make(worker.setup)
            hello = worker.made.hello()
        except Exception as error:  # noqa: BLE001 -- as the fleet of actors does
            del self.workers[number]
            return Unfit(number, str(error))
        return Ready(number, self._engine.hello(number, hello))


class Inline:
    """An engine of `workers` inline replicas."""

    def __init__(self, workers: int = 3, seed: int = 0) -> None:
        self.workers = workers
        self.seed = seed
        self.started: list[str] = []
        self.sent: list[tuple[int, Any]] = []
        self.fleet: InlineFleet | None = None

    def fault(self, role: str, kind: str, content: Any, dice: random.Random) -> str:
        """`die`, `hang` or nothing, asked before each item is delivered."""
        return ""

    def has_place(self, role: str, number: int) -> bool:
        """Whether there is room for a worker that waits for it."""
        return True

    def lags(self, number: int) -> bool:
        """Whether a worker gets on only while no other has anything to do."""
        return False

    def never_ready(self, number: int) -> bool:
        """Whether a worker hangs while it starts."""
        return False

    def hello(self, number: int, hello: bytes) -> bytes:
        """What arrives of a worker's hello."""
        return hello

    def make_replica(self, setup: bytes) -> Any:
        return Replica(setup)

    def make_bench(self, setup: bytes) -> Any:
        return Bench(setup)

    @contextmanager
    def open(
        self, spec: RunSpec, tasks: Sequence[PlannedTask], say: Callable[[str], None]
    ) -> Iterator[DistributedSession]:
        roles = {
            WORKER: (self.make_replica, setup_of(spec, tasks)),
            JUDGE: (self.make_bench, setup_of(spec, judged_tasks(spec, tasks))),
        }
        self.fleet = InlineFleet(roles, self)
        session = DistributedSession(spec, tasks, self.fleet, self.workers, say)
        try:
            yield session
        finally:
            session.close()
            assert not self.fleet.workers, "workers were left behind"
