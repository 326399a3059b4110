"""A fleet of Ray actors: thin, with no decision in it.

Each worker is an actor that is never restarted by Ray, because the driver's pool does that. A shard
is one call of a streaming generator, so finished batches arrive while the next one is computed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.engines.fleet import Began, Event, Idle, Lost, Placed, Ready, Reported, Unfit
from harness.engines.places import amounts, fits, in_words
from harness.errors import BenchError
from harness.run.serving import describe

__all__ = ["RayFleet", "Role", "Station"]

_UNREAD = 8  # items that a worker may be ahead of the driver, so that pictures don't pile up


_EVENTS: Mapping[str, Callable[[int, Any], Event]] = {
    "placed": lambda worker, _: Placed(worker),
    "ready": Ready,
    "unfit": Unfit,
    "began": Began,
    "reported": Reported,
}


class Role(NamedTuple):
    """What a worker of a role is."""

    make: Callable[[bytes], Any]
    """Class with `hello` and a generator `serve`, of `harness.engines`."""

    setup: bytes
    """Its argument."""

    resources: Mapping[str, float | Mapping[str, float]]
    """What Ray sets aside for it: `num_cpus`, `num_gpus`, `memory` in bytes, and `resources` with
    others by their names."""


class Station:
    """The actor: it's there at once, makes what a role says when asked, and words failures."""

    def __init__(self) -> None:
        self._made: Any = None

    def place(self) -> tuple[str, Any]:
        """`("placed", None)`: whoever can say so has its place."""
        return "placed", None

    def load(self, role: Role) -> tuple[str, Any]:
        """`("ready", hello)`, or `("unfit", reason)`."""
        try:
            self._made = role.make(role.setup)
            return "ready", self._made.hello()
        except Exception as error:  # noqa: BLE001 -- the driver decides what to do about it
            return "unfit", _reason(error)

    def serve(self, *work: Any) -> Iterator[tuple[str, Any]]:
        """`("began", rows)` and `("reported", reports)` per batch, and what is unfit at last."""
        try:
            yield from self._made.serve(*work)
        except Exception as error:  # noqa: BLE001 -- the driver decides what to do about it
            yield "unfit", _reason(error)


class RayFleet:
    """Actors by number; see `Fleet`.

    Args:
        ray: The module, connected to a cluster.
        roles: What each role's workers are.
    """

    def __init__(self, ray: Any, roles: Mapping[str, Role]) -> None:
        self._ray = ray
        self._roles = roles
        self._numbers = itertools.count(1)
        self._actors: dict[int, Any] = {}
        self._unplaced: dict[int, Role] = {}
        self._waiting: dict[Any, int] = {}  # a call's reference or generator, and its worker

    def start(self, role: str) -> int:
        """Ask for an actor; it starts as soon as the cluster has room, and loads then."""
        made, worker = self._roles[role], next(self._numbers)
        options = {**made.resources, "max_restarts": 0, "max_task_retries": 0}
        actor = self._ray.remote(Station).options(**options).remote()
        self._actors[worker], self._unplaced[worker] = actor, made
        self._waiting[actor.place.remote()] = worker
        return worker

    def needs(self, role: str) -> str:
        """Resources of an actor, and how many machines that are there have them."""
        needed = amounts(self._roles[role].resources)
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        have = sum(fits(needed, machine) for machine in machines)
        return f"{in_words(needed)}; {have} of {len(machines)} machines have that much, free or not"

    def send(self, worker: int, work: Any) -> None:
        """Call `serve` with the parts of `work`."""
        options = {"num_returns": "streaming", "_generator_backpressure_num_objects": _UNREAD}
        serve = self._actors[worker].serve.options(**options)
        self._waiting[serve.remote(*work)] = worker

    def stop(self, worker: int) -> None:
        """Kill an actor's process."""
        self._forget(worker)
        self._ray.kill(self._actors.pop(worker), no_restart=True)

    def wait(self, timeout: float) -> Sequence[Event]:
        """Everything that has arrived; waits for a first item, at most `timeout` seconds."""
        if not self._waiting:
            time.sleep(timeout)
            return []
        ready = self._ready(1, timeout)
        if ready:
            ready = self._ready(len(self._waiting), 0)
        return [event for item in ready for event in self._read(item)]

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """Kill all actors that are left."""
        for worker in list(self._actors):
            self.stop(worker)

    def _ready(self, count: int, timeout: float) -> list[Any]:
        found: list[Any]
        found, _ = self._ray.wait(list(self._waiting), num_returns=count, timeout=timeout)
        return found

    def _read(self, item: Any) -> Iterator[Event]:
        """The event behind one item that is ready."""
        worker = self._waiting[item]
        streams = hasattr(item, "__next__")
        try:
            value = self._ray.get(next(item) if streams else item)
        except StopIteration:
            del self._waiting[item]
            yield Idle(worker)
        except self._ray.exceptions.RayError as error:
            self._forget(worker)
            del self._actors[worker]
            yield Lost(worker, _short(error))
        else:
            if not streams:
                del self._waiting[item]
            yield self._news(worker, *value)

    def _news(self, worker: int, kind: str, content: Any) -> Event:
        if kind == "unfit":
            self.stop(worker)
        elif kind == "placed":
            role = self._unplaced.pop(worker)
            self._waiting[self._actors[worker].load.remote(role)] = worker
        return _EVENTS[kind](worker, content)

    def _forget(self, worker: int) -> None:
        self._unplaced.pop(worker, None)
        for item in [item for item, owner in self._waiting.items() if owner == worker]:
            del self._waiting[item]


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else describe(error)


def _short(error: Exception) -> str:
    """The telling line of one of Ray's long messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("The actor is dead", "The actor died b"))]
    return (telling or lines or [type(error).__name__])[0]
