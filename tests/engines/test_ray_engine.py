"""What the Ray engine asks a cluster for; Ray itself isn't needed for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from harness.engines import ray_engine
from harness.engines.fleet import Lost, Placed, Ready, Unfit
from harness.engines.ray_engine import RayEngine, _check_room, _Cluster, _gpus, _roles, _workers
from harness.engines.ray_fleet import RayFleet, Role, Station
from harness.engines.session import JUDGE, WORKER
from harness.errors import AdapterError, SpecError
from harness.run.tasks import PlannedTask, build_tasks
from harness.runspec import EngineSpec, RunSpec, resolve

Planned = tuple[RunSpec, list[PlannedTask]]


@pytest.fixture
def planned(spec: Callable[..., RunSpec]) -> Callable[..., Planned]:
    """A run of one toy task over some engine."""

    def make(name: str = "toy-answers", **engine: Any) -> Planned:
        made = spec(name, engine=EngineSpec(kind="ray", **engine))
        return made, build_tasks(resolve(made), made.seed)

    return make


def has(cpus: float, gpus: float = 0.0, *, joined: bool = False) -> _Cluster:
    resources = {"CPU": cpus, "memory": 1e9}
    return _Cluster({**resources, "GPU": gpus} if gpus else resources, joined)


@pytest.mark.parametrize(
    ("given", "found", "gpus"),
    [
        (None, has(8), 0.0),
        (None, has(8, 4), 1.0),
        (None, has(8, 4, joined=True), 1.0),
        (0.5, has(8, 4), 0.5),
        (0.0, has(8, 4), 0.0),
        (0.0, has(8, joined=True), 0.0),
        (1.0, has(8, joined=True), 1.0),
    ],
)
def test_gpus_of_a_worker(given: float | None, found: _Cluster, gpus: float):
    assert _gpus(EngineSpec(gpus_per_worker=given), found) == gpus


def test_a_cluster_that_may_grow_is_not_taken_for_one_of_cpus(planned: Callable[..., Planned]):
    run, tasks = planned(workers=4)
    with pytest.raises(SpecError, match="no GPU now") as caught:
        _roles(run, tasks, has(8, joined=True))
    assert "--gpus-per-worker 1" in caught.value.remedy
    assert "--gpus-per-worker 0" in caught.value.remedy


@pytest.mark.parametrize(
    ("engine", "found", "workers"),
    [
        ({"workers": 5}, has(64, 8), 5),
        ({}, has(64, 8), 8),
        ({"gpus_per_worker": 0.5}, has(64, 8), 16),
        ({"gpus_per_worker": 0.1}, has(64, 0.7), 7),
        ({"gpus_per_worker": 2}, has(64, 5), 2),
        ({"gpus_per_worker": 1}, has(8, joined=True), 1),
        ({}, has(8), 8),
        ({"cpus_per_worker": 3}, has(8), 2),
        ({"cpus_per_worker": 0}, has(8), 1),
        ({"cpus_per_worker": 16}, has(8), 1),
    ],
)
@pytest.mark.parametrize("judges", [{}, {"judges": 2, "gpus_per_judge": 1, "cpus_per_judge": 3}])
def test_workers_of_a_cluster_without_anything_to_judge(
    planned: Callable[..., Planned],
    engine: dict[str, Any],
    judges: dict[str, Any],
    found: _Cluster,
    workers: int,
):
    assert _workers(*planned(**engine, **judges), found) == workers


@pytest.mark.parametrize(
    ("engine", "found", "workers"),
    [
        ({"workers": 8, "judges": 2, "gpus_per_judge": 1}, has(64, 8), 8),
        ({"judges": 2, "gpus_per_judge": 1}, has(64, 8), 6),
        ({"judges": 2, "gpus_per_judge": 0.5}, has(64, 8), 7),
        ({"judges": 1, "gpus_per_judge": 0.5}, has(64, 8), 7),
        ({"judges": 1, "gpus_per_judge": 0.5, "gpus_per_worker": 0.5}, has(64, 8), 15),
        ({"judges": 9, "gpus_per_judge": 1}, has(64, 8), 1),
        ({"judges": 2}, has(64, 8), 8),
        ({"judges": 0, "gpus_per_judge": 1}, has(64, 8), 8),
        ({"judges": 2}, has(8), 6),
        ({"judges": 2, "cpus_per_judge": 3}, has(8), 2),
        ({"judges": 2, "cpus_per_judge": 0.5, "cpus_per_worker": 3}, has(8), 2),
        ({"judges": 0}, has(8), 8),
        ({"judges": 8}, has(8), 1),
    ],
)
def test_workers_leave_the_judges_their_devices(
    planned: Callable[..., Planned], engine: dict[str, Any], found: _Cluster, workers: int
):
    assert _workers(*planned("toy-judged", **engine), found) == workers


def test_roles_ask_for_what_the_run_says(planned: Callable[..., Planned]):
    run, tasks = planned(
        "toy-judged",
        gpus_per_worker=0.5,
        cpus_per_worker=4,
        memory_per_worker=1.5,
        gpus_per_judge=0.25,
        cpus_per_judge=2,
    )
    roles = _roles(run, tasks, has(64, 8))
    assert roles[WORKER].resources == {"num_cpus": 4, "num_gpus": 0.5, "memory": 1_610_612_736}
    assert roles[JUDGE].resources == {"num_cpus": 2, "num_gpus": 0.25}


def test_without_a_word_about_memory_none_is_set_aside(planned: Callable[..., Planned]):
    run, tasks = planned()
    roles = _roles(run, tasks, has(64, 8))
    assert roles[WORKER].resources == {"num_cpus": 1, "num_gpus": 1}


class FakeRay:
    """Takes down what is asked of it; calls have the results that a test gives them."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, nodes: Sequence[dict[str, float]] = ()) -> None:
        self.asked: list[dict[str, Any]] = []
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.results: dict[int, Any] = {}
        self.killed = 0
        self._nodes = nodes

    def remote(self, station: type) -> FakeRay:
        return self

    def options(self, **options: Any) -> Any:
        self.asked.append(options)
        methods = {name: SimpleNamespace(remote=partial(self._call, name)) for name in METHODS}
        return SimpleNamespace(remote=lambda: SimpleNamespace(**methods))

    def _call(self, method: str, *arguments: Any) -> int:
        self.calls.append((method, arguments))
        return len(self.calls) - 1

    def wait(self, calls: list[int], num_returns: int, timeout: float) -> Any:
        return [call for call in calls if call in self.results], []

    def get(self, call: int) -> Any:
        if isinstance(self.results[call], Exception):
            raise self.results[call]
        return self.results[call]

    def kill(self, actor: Any, no_restart: bool) -> None:
        self.killed += 1

    def nodes(self) -> list[dict[str, Any]]:
        gone = {"Alive": False, "Resources": {}}
        return [gone, *({"Alive": True, "Resources": found} for found in self._nodes)]

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return has(8).resources


METHODS = ("place", "load")


def options_of(role: str, planned: Planned, found: _Cluster) -> dict[str, Any]:
    """Options of an actor, without those about Ray's own restarts."""
    fake = FakeRay()
    RayFleet(fake, _roles(*planned, found)).start(role)
    (options,) = fake.asked
    assert (options.pop("max_restarts"), options.pop("max_task_retries")) == (0, 0)
    return options


def test_other_resources_reach_the_actors_with_a_replica(planned: Callable[..., Planned]):
    others = {"accelerator_type:H100": 0.001, "big": 2.0}
    made = planned("toy-judged", worker_resources=others)
    assert options_of(WORKER, made, has(8, 8)) == {
        "num_cpus": 1,
        "num_gpus": 1,
        "resources": others,
    }
    assert options_of(JUDGE, made, has(8, 8)) == {"num_cpus": 1, "num_gpus": 0}
    assert options_of(WORKER, planned(), has(8, 8)) == {"num_cpus": 1, "num_gpus": 1}


@pytest.mark.parametrize("name", ["CPU", "GPU", "memory"])
def test_a_resource_with_a_flag_of_its_own_is_refused(planned: Callable[..., Planned], name: str):
    run, tasks = planned(worker_resources={"big": 1.0, name: 1.0})
    with pytest.raises(SpecError, match=name) as caught:
        _roles(run, tasks, has(8, 8))
    assert f"{name.lower()}" in caught.value.remedy
    assert "-per-worker" in caught.value.remedy


@pytest.fixture
def started(planned: Callable[..., Planned]) -> tuple[FakeRay, RayFleet, dict[str, Role]]:
    """A fleet that has asked for one worker."""
    fake, roles = FakeRay(), _roles(*planned(), has(8))
    fleet = RayFleet(fake, roles)
    assert fleet.start(WORKER) == 1
    return fake, fleet, roles


def test_an_actor_loads_once_it_has_its_place(started: Any):
    fake, fleet, roles = started
    assert fleet.wait(0.0) == []
    assert fake.calls == [("place", ())]
    fake.results[0] = Station().place()
    assert fleet.wait(0.0) == [Placed(1)]
    assert fake.calls[1:] == [("load", (roles[WORKER],))]
    assert fleet.wait(0.0) == []
    fake.results[1] = ("ready", b"hello")
    assert fleet.wait(0.0) == [Ready(1, b"hello")]


def test_what_fails_while_it_loads_is_put_into_words(started: Any):
    fake, fleet, _ = started

    def no_weights(setup: bytes) -> Any:
        raise AdapterError("no weights", "get them")

    fake.results.update({0: Station().place(), 1: Station().load(Role(no_weights, b"", {}))})
    assert fleet.wait(0.0) == [Placed(1)]
    assert fleet.wait(0.0) == [Unfit(1, str(AdapterError("no weights", "get them")))]
    assert fake.killed == 1


@pytest.mark.parametrize("placed", [False, True])
def test_an_actor_may_be_lost_before_it_has_loaded(started: Any, placed: bool):
    fake, fleet, _ = started
    if placed:
        fake.results[0] = Station().place()
        fleet.wait(0.0)
    fake.results[int(placed)] = RuntimeError("node has died")
    assert fleet.wait(0.0) == [Lost(1, "node has died")]
    assert fleet.wait(0.0) == []


def test_an_actor_is_stopped_while_it_waits(started: Any):
    fake, fleet, _ = started
    fleet.stop(1)
    fake.results[0] = Station().place()
    assert fleet.wait(0.0) == []
    assert (fake.killed, len(fake.calls)) == (1, 1)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], "0 of 0"),
        ([{"CPU": 8.0}], "0 of 1"),
        ([{"CPU": 8.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 2.0, "GPU": 4.0}], "2 of 3"),
    ],
)
def test_what_a_worker_waits_for_is_said(
    planned: Callable[..., Planned], nodes: list[dict[str, float]], said: str
):
    fleet = RayFleet(FakeRay(nodes), _roles(*planned(gpus_per_worker=1), has(8)))
    assert fleet.needs(WORKER) == f"1 CPU, 1 GPU; {said} machines have that much, free or not"


@pytest.mark.parametrize(
    ("engine", "role", "needed", "has_it"),
    [
        ({"gpus_per_worker": 4}, WORKER, "1 CPU, 4 GPU", "8 CPU, 2 GPU"),
        ({"cpus_per_worker": 8.5}, WORKER, "8.5 CPU, 1 GPU", "8 CPU, 2 GPU"),
        ({"worker_resources": {"big": 1}}, WORKER, "1 big", "0 big"),
        ({"memory_per_worker": 2}, WORKER, "2 GiB of memory", "0.9313 GiB of memory"),
        ({"gpus_per_judge": 3}, JUDGE, "1 CPU, 3 GPU", "8 CPU, 2 GPU"),
    ],
)
def test_a_place_that_cannot_come_is_not_waited_for(
    planned: Callable[..., Planned], engine: dict[str, Any], role: str, needed: str, has_it: str
):
    found = has(8, 2)
    with pytest.raises(SpecError, match=rf"a {role} needs .*{needed}.* has .*{has_it}") as caught:
        _check_room(_roles(*planned("toy-judged", **engine), found), found.resources)
    assert "--address" in caught.value.remedy


def test_what_fits_the_machine_or_is_not_needed_is_not_refused(planned: Callable[..., Planned]):
    found = has(8, 2)
    _check_room(_roles(*planned("toy-judged", gpus_per_worker=2), found), found.resources)
    _check_room(_roles(*planned("toy-answers", gpus_per_judge=3), found), found.resources)


def test_ctrl_c_while_workers_wait_for_places_takes_the_requests_back(
    planned: Callable[..., Planned], monkeypatch: pytest.MonkeyPatch
):
    class Pressed(FakeRay):
        def wait(self, calls: list[int], num_returns: int, timeout: float) -> Any:
            raise KeyboardInterrupt

    fake = Pressed()
    monkeypatch.setattr(ray_engine, "_imported", lambda: fake)
    with pytest.raises(KeyboardInterrupt), RayEngine().open(*planned(workers=3), print):
        pytest.fail("nothing is ready")
    assert (len(fake.asked), fake.killed) == (3, 3)
