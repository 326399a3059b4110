"""What the Ray engine asks a cluster for; Ray itself isn't needed for that."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from harness.engines.ray_engine import _Cluster, _gpus, _roles, _workers
from harness.engines.ray_fleet import RayFleet
from harness.engines.session import JUDGE, WORKER
from harness.errors import SpecError
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
    """Takes actors' options down."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def remote(self, station: type) -> FakeRay:
        return self

    def options(self, **options: Any) -> Any:
        self.asked.append(options)
        return SimpleNamespace(remote=lambda role: SimpleNamespace(hello=self.hello))

    @property
    def hello(self) -> Any:
        return SimpleNamespace(remote=object)


def options_of(role: str, planned: Planned, found: _Cluster) -> dict[str, Any]:
    """Options of an actor, without those about Ray's own restarts."""
    fake = FakeRay()
    RayFleet(fake, _roles(*planned, found)).start(role)
    (options,) = fake.asked
    assert (options.pop("max_restarts"), options.pop("max_task_retries")) == (0, 0)
    return options


def test_other_resources_reach_the_actors_with_a_replica(planned: Callable[..., Planned]):
    others = {"accelerator_type:H100": 0.001, "big": 2.0}
    made = planned(worker_resources=others)
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
