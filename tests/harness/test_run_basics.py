"""A run from end to end on toys."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.ledger import Ledger, read_manifest
from harness.records import RunStatus, TaskStatus, Verdict
from harness.run import execute
from harness.runspec import RunSpec
from tests.harness import toys
from tests.harness.conftest import Run

ALL = [task.metadata.name for task in toys.TASKS]


def test_every_kind_of_task_runs(run: Run, tmp_path: Path):
    manifest = run(*ALL)
    assert manifest.status is RunStatus.COMPLETE
    assert read_manifest(tmp_path / "run") == manifest
    with Ledger.open(tmp_path / "run") as ledger:
        assert ledger.tasks() == ALL
        results = {result.task: result for result in ledger.results()}
        assert list(results) == ALL
        for task in toys.TASKS:
            name = task.metadata.name
            total = {"toy-probe": 5, "toy-follow-ups": 36}.get(name, 40)
            assert ledger.total(name) == total == results[name].total
            counts = ledger.verdict_counts(name)
            assert counts[Verdict.OK] + counts[Verdict.WRONG] == total
            assert results[name].status is TaskStatus.COMPLETE


def test_the_model_is_closed_once_and_before_scoring(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    events: list[str] = []

    class Watched(toys.ToyModel):
        def close(self) -> None:
            events.append("closed")

    score = toys.ToyTask.score
    monkeypatch.setattr(
        toys.ToyTask, "score", lambda *args: (events.append("scored"), score(*args))[1]
    )
    run("toy-answers", adapter=Watched(), limit=2)
    assert events == ["closed", "scored", "scored"]


def test_a_manifest_says_what_ran_where(run: Run, spec: Callable[..., RunSpec]):
    command = ("cheers-bench", "run", "--hf-token", "abc")
    args = {"weights": "hf_abcdefghijkl"}
    manifest = execute(spec(args=args, label="mine", seed=4), command=command)
    assert manifest.command == ("cheers-bench", "run", "--hf-token", "***")
    assert manifest.model_args == {"weights": "***"}
    assert (manifest.label, manifest.seed, manifest.model.name) == ("mine", 4, "toy")
    assert manifest.environment.packages["msgspec"]
    assert execute(spec(args=args, label="mine", seed=4), command=command) == manifest
