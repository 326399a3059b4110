"""A real Ray cluster of two nodes: equal results, and what happens when parts of it die."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import RunFailedError
from harness.ledger import Ledger, is_run_folder, read_manifest
from harness.records import RunStatus
from harness.run import execute
from harness.run.progress import NoProgress
from harness.runspec import EngineSpec, ModelRef, RunSpec, TaskRef
from tests.harness.test_run_invariance import content

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402 -- only where Ray is

FAULTY = f"{Path(__file__).with_name('faulty_models.py')}:Faulty"
TASKS = (
    TaskRef(task="shapes-geneval", options={"prompts": 2, "images": 3}),
    TaskRef(task="shapes-mmbench", limit=16),
    TaskRef(task="shapes-cycle", limit=9),  # questions about the pictures drawn
)
FAST_HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 3,
}
MEMORY = 80 << 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes in processes of their own; none of them may outlive the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        made = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 3,
                "include_dashboard": False,
                "object_store_memory": MEMORY,
                "_system_config": FAST_HEALTH,
            },
        )
        made.add_node(num_cpus=2, object_store_memory=MEMORY)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
        ray.shutdown()
        made.shutdown()
        left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
        _, alive = psutil.wait_procs(left, timeout=20)
        assert alive == []


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RunSpec]:
    """A spec of small tasks: with a judge, without one, with follow-ups."""

    def spec(out: str, engine: EngineSpec, *, tasks: Any = TASKS, **fields: Any) -> RunSpec:
        model = fields.pop("model", ModelRef(name="null", args={"with_seed": True}))
        return RunSpec(tasks=tasks, model=model, out=str(tmp_path / out), engine=engine, **fields)

    return spec


def over(workers: int = 2, **fields: Any) -> EngineSpec:
    return EngineSpec(kind="ray", workers=workers, start_within=60, **fields)


def rows(folder: Path) -> list[dict[str, Any]]:
    """What a run gave, without what names its model."""
    return [{**row, "run": "", "model": ""} for row in content(folder)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("local") / "run"
    model = ModelRef(name="null", args={"with_seed": True})
    execute(RunSpec(tasks=TASKS, model=model, out=str(folder)))
    return rows(folder)


def test_the_null_model_gives_what_it_gives_locally(
    cluster: Cluster, make: Any, tmp_path: Path, expected: Any
):
    manifest = execute(make("run", over(3)))
    assert rows(tmp_path / "run") == expected
    assert manifest.status is RunStatus.COMPLETE


@pytest.mark.slow  # two processes import torch and load it
def test_cheers_nano_gives_what_it_gives_locally(cluster: Cluster, make: Any, tmp_path: Path):
    tasks = (
        TaskRef(task="shapes-geneval", options={"prompts": 1, "images": 1}, limit=3),
        TaskRef(task="shapes-mmbench", limit=3),
    )
    nano = ModelRef(name="cheers-nano", args={"steps": 4})
    for out, engine in (("local", EngineSpec()), ("run", over(1))):
        execute(make(out, engine, tasks=tasks, model=nano, batch_size=1))
    assert rows(tmp_path / "run") == rows(tmp_path / "local")
    first, second = (read_manifest(tmp_path / out) for out in ("local", "run"))
    assert first.fingerprint == second.fingerprint
    assert first.run_id == second.run_id


def test_a_worker_killed_in_mid_shard_is_replaced(
    cluster: Cluster, make: Any, tmp_path: Path, expected: Any
):
    progress = Watching()
    marker = tmp_path / "happened"
    model = ModelRef(name=FAULTY, args={"fault": "kill", "marker": str(marker), "sleep": 0.1})
    execute(make("run", over(2), model=model, batch_size=2), progress=progress)
    assert marker.exists()
    lost = "is lost: The actor is dead"
    assert any(lost in text for text in progress.texts), progress.texts
    assert rows(tmp_path / "run") == expected


def test_what_a_hanging_worker_holds_is_repeated_by_another(
    cluster: Cluster, make: Any, tmp_path: Path, expected: Any
):
    """Long before it's found to hang."""
    progress = Watching()
    marker = tmp_path / "happened"
    model = ModelRef(name=FAULTY, args={"fault": "hang", "marker": str(marker)})
    execute(make("run", over(2, hang_after=500), model=model, batch_size=2), progress=progress)
    assert marker.exists()
    assert not any("is lost" in text for text in progress.texts), progress.texts
    assert rows(tmp_path / "run") == expected


def test_a_driver_killed_is_resumed(cluster: Cluster, make: Any, tmp_path: Path, expected: Any):
    out = tmp_path / "run"
    command = (
        f"run --engine ray --workers 2 --gpus-per-worker 0 --address {cluster.address} "
        f"--model {FAULTY} --model-arg sleep=0.2 --batch-size 2 --out {out} --limit 20 "
        "--task shapes-geneval "
        "--task-option shapes-geneval.prompts=2 --task-option shapes-geneval.images=3"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *command.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while finished(out) < 4:
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    done = finished(out)
    tasks, watching = TASKS[:1], Watching()
    model = ModelRef(name=FAULTY, args={"sleep": 0.2})
    execute(make("run", over(2), tasks=tasks, model=model, limit=20), progress=watching)
    local = ModelRef(name="null", args={"with_seed": True})
    execute(make("local", EngineSpec(), tasks=tasks, model=local, limit=20))
    assert rows(out) == rows(tmp_path / "local")
    assert watching.begun["asking the model about"][1] >= done > 0


@pytest.mark.slow
def test_a_model_that_cannot_be_built_says_why(cluster: Cluster, make: Any):
    model = ModelRef(name="null", args={"size": 0})
    with pytest.raises(RunFailedError, match="size is 0"):
        execute(make("run", over(1), model=model))


def test_a_machine_that_joins_later_is_waited_for(
    cluster: Cluster, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harness.engines.starting._FIRST_WORD", 0.5)
    joined: list[Any] = []

    class Joining(Watching):
        def message(self, text: str) -> None:
            super().message(text)
            if not joined:
                assert not is_run_folder(tmp_path / "run")
                node = {"num_cpus": 1, "resources": {"big": 1}, "object_store_memory": MEMORY}
                joined.append(cluster.add_node(**node))

    progress = Joining()
    engine = over(1, worker_resources={"big": 0.5})
    execute(make("run", engine, tasks=TASKS[1:2]), progress=progress)
    cluster.remove_node(joined[0])
    assert progress.texts[0].startswith("1 of 1 workers have no place yet after ")
    assert "each needs 1 CPU, 0.5 big; 0 of 2 machines have that much" in progress.texts[0]
    assert read_manifest(tmp_path / "run").status is RunStatus.COMPLETE


def test_a_node_killed_in_mid_run_changes_nothing(
    cluster: Cluster, make: Any, tmp_path: Path, expected: Any
):
    """Last of all: the cluster has one node afterwards."""
    (other,) = cluster.worker_nodes
    progress = Watching(4, lambda: cluster.remove_node(other, allow_graceful=False))
    model = ModelRef(name=FAULTY, args={"sleep": 0.3})
    execute(make("run", over(4), model=model, batch_size=1), progress=progress)
    lost = [text for text in progress.texts if "is lost" in text]
    assert any("node has died" in text for text in lost), lost
    assert rows(tmp_path / "run") == expected


class Watching(NoProgress):
    """Remembers what is said, and does something after a number of samples."""

    def __init__(self, after: int = 0, act: Callable[[], object] | None = None) -> None:
        self.texts: list[str] = []
        self.begun: dict[str, tuple[int, int]] = {}
        self._left, self._act = after, act

    def start(self, task: str, phase: str, total: int, done: int) -> None:
        self.begun[phase] = total, done

    def message(self, text: str) -> None:
        self.texts.append(text)

    def advance(self, count: int) -> None:
        self._left -= count
        if self._act is not None and self._left <= 0:
            act, self._act = self._act, None
            act()


def finished(folder: Path) -> int:
    """Responses that are committed in a folder that may not exist yet."""
    if not is_run_folder(folder):
        return 0
    with Ledger.open(folder) as ledger:
        return sum(ledger.counts(task).answered for task in ledger.tasks())
