"""A run from end to end on toys."""

from pathlib import Path

from harness.ledger import Ledger, read_manifest
from harness.records import RunStatus, TaskStatus, Verdict
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
            total = 5 if name == "toy-probe" else 40
            assert ledger.total(name) == total == results[name].total
            counts = ledger.verdict_counts(name)
            assert counts[Verdict.OK] + counts[Verdict.WRONG] == total
            assert results[name].status is TaskStatus.COMPLETE
