"""The Ray engine: replicas of the model in actors of a cluster, one driver, one ledger.

Only this file and `harness.engines.ray_fleet` import Ray, and only once a run asks for it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from harness.engines.places import amounts, fits, in_words
from harness.engines.ray_fleet import RayFleet, Role
from harness.engines.session import JUDGE, WORKER, DistributedSession, judged_tasks, setup_of
from harness.errors import RunFailedError, SpecError
from harness.run.tasks import PlannedTask
from harness.runspec import EngineSpec, RunSpec

__all__ = ["RayEngine"]

_GIB = 1 << 30
_OWN_FLAG = {
    "CPU": "--cpus-per-worker",
    "GPU": "--gpus-per-worker",
    "memory": "--memory-per-worker",
}


class _Cluster(NamedTuple):
    """What a run has found."""

    resources: dict[str, float]
    """What its nodes have now, by Ray's names."""

    joined: bool
    """Whether it was there before, so that it may grow."""

    own: bool = False
    """Whether it was started here: one machine, to which no other will come."""


class RayEngine:
    """Drives replicas of a model in actors of a Ray cluster; see `Engine`."""

    @contextmanager
    def open(
        self, spec: RunSpec, tasks: Sequence[PlannedTask], say: Callable[[str], None]
    ) -> Iterator[DistributedSession]:
        """Connect to the cluster, or start one, and have a first replica say what it is.

        Raises:
            SpecError: Ray isn't installed, the model exists in this process alone, a cluster
                without GPUs was joined and GPUs per worker aren't given, or a worker or judge
                needs more than this machine has and no cluster was joined.
            RunFailedError: The cluster can't be reached, or no replica gets ready.
        """
        ray = _imported()
        with _connected(ray, spec.engine) as found:
            roles = _roles(spec, tasks, found)
            if found.own:
                _check_room(roles, found.resources)
            fleet = RayFleet(ray, roles)
            try:
                yield DistributedSession(spec, tasks, fleet, _workers(spec, tasks, found), say)
            finally:
                fleet.close()


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise SpecError(
            f"the engine 'ray' can't be used: {error}", "pip install 'cheers-bench[ray]'"
        ) from error
    return ray


@contextmanager
def _connected(ray: Any, engine: EngineSpec) -> Iterator[_Cluster]:
    """The cluster; one that was started here ends here."""
    address = engine.address or os.environ.get("RAY_ADDRESS") or "local"
    if ray.is_initialized():  # a notebook, or a test, has its own
        yield _Cluster(ray.cluster_resources(), address != "local")
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent without being asked
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RunFailedError(
            f"no Ray cluster at {address!r}: {error}",
            "start one with `ray start --head`, or name the right --address",
        ) from error
    try:
        joined = address != "local"
        yield _Cluster(ray.cluster_resources(), joined, own=not joined)
    finally:
        ray.shutdown()


def _gpus(engine: EngineSpec, found: _Cluster) -> float:
    """GPUs of a worker: the user's number, or one where there are GPUs.

    Raises:
        SpecError: Nobody can know: a cluster that grows may have its GPUs later.
    """
    if engine.gpus_per_worker is not None:
        return engine.gpus_per_worker
    if found.resources.get("GPU", 0) >= 1:
        return 1.0
    if found.joined:
        raise SpecError(
            "the cluster has no GPU now, and may get some: GPUs per worker aren't known",
            "--gpus-per-worker 1 waits for GPUs, --gpus-per-worker 0 runs on CPUs",
        )
    return 0.0


def _workers(spec: RunSpec, tasks: Sequence[PlannedTask], found: _Cluster) -> int:
    """The user's number, or as many replicas as the cluster's devices hold beside the judges."""
    engine = spec.engine
    if engine.workers is not None:
        return engine.workers
    judges = engine.judges if judged_tasks(spec, tasks) else 0
    gpus = _gpus(engine, found)
    if gpus:
        return _fitting(found.resources.get("GPU", 0) - judges * engine.gpus_per_judge, gpus)
    left = found.resources.get("CPU", 1) - judges * engine.cpus_per_judge
    return _fitting(left, engine.cpus_per_worker)


def _fitting(amount: float, each: float) -> int:
    """How many fit, and one at least, which may wait for room."""
    return max(1, int(amount / each + 1e-9)) if each else 1  # 0.7 / 0.1 is a little below 7


def _roles(spec: RunSpec, tasks: Sequence[PlannedTask], found: _Cluster) -> dict[str, Role]:
    from harness.engines.bench import Bench
    from harness.engines.replica import Replica

    engine = spec.engine
    memory, others = engine.memory_per_worker, _others(engine)
    worker: dict[str, float | Mapping[str, float]] = {
        "num_cpus": engine.cpus_per_worker,
        "num_gpus": _gpus(engine, found),
        **({} if memory is None else {"memory": int(memory * _GIB)}),
        **({"resources": others} if others else {}),
    }
    judge = {"num_cpus": engine.cpus_per_judge, "num_gpus": engine.gpus_per_judge}
    judged = judged_tasks(spec, tasks)
    return {
        WORKER: Role(Replica, setup_of(spec, tasks), worker),
        **({JUDGE: Role(Bench, setup_of(spec, judged), judge)} if judged else {}),
    }


def _check_room(roles: Mapping[str, Role], machine: Mapping[str, float]) -> None:
    """Refuse to wait for a place that can't come.

    Raises:
        SpecError: An actor needs more than the only machine has.
    """
    for role, made in roles.items():
        needed = amounts(made.resources)
        if not fits(needed, machine):
            has = {name: machine.get(name, 0.0) for name in needed}
            raise SpecError(
                f"a {role} needs {in_words(needed)}, and this machine has {in_words(has)}",
                f"ask for less per {role}, or join a cluster that has more with --address",
            )


def _others(engine: EngineSpec) -> dict[str, float]:
    """Resources by Ray's names that have no flag of their own.

    Raises:
        SpecError: One of them has.
    """
    others = dict(engine.worker_resources or {})
    for name in sorted(others.keys() & _OWN_FLAG.keys()):
        raise SpecError(f"--worker-resources {name}: it has a flag", f"use {_OWN_FLAG[name]}")
    return others
