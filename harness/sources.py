"""Where scores come from: a run folder, a baseline or a report of pytest, read the same way."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from harness.baselines import Baseline, baseline_path, read_baseline
from harness.baselines.packing import unpack
from harness.benchmark_file import is_benchmark_file, read_benchmark_file
from harness.errors import LedgerError
from harness.ledger import Ledger, is_run_folder, read_manifest
from harness.records import RunManifest, ScoredSample, TaskPlan, TaskResult

__all__ = ["Source", "open_source"]


class Source(abc.ABC):
    """Scores of one run; close it, or use it as a context manager.

    Args:
        where: Path for messages and tables.
        manifest: What the scores are of.
    """

    def __init__(self, where: str, manifest: RunManifest) -> None:
        self.where = where
        self.manifest = manifest

    @property
    def label(self) -> str:
        """Name in tables."""
        return self.manifest.label or self.manifest.model.name

    def plan(self, task: str) -> TaskPlan | None:
        """How a task was run; `None` if it wasn't."""
        return next((plan for plan in self.manifest.tasks if plan.task == task), None)

    @abc.abstractmethod
    def scored(self, task: str) -> Iterator[ScoredSample]:
        """All planned samples of a task, in its order."""

    @abc.abstractmethod
    def results(self) -> list[TaskResult]:
        """Results of the tasks that were aggregated, in the order of the run's tasks."""

    def close(self) -> None:
        """Let go of files."""
        return  # a baseline holds none

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _RunSource(Source):
    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), read_manifest(folder))
        self._ledger = Ledger.open(folder)

    def scored(self, task: str) -> Iterator[ScoredSample]:
        return self._ledger.scored(task)

    def results(self) -> list[TaskResult]:
        return self._ledger.results()

    def close(self) -> None:
        self._ledger.close()


class _BaselineSource(Source):
    def __init__(self, path: Path, baseline: Baseline) -> None:
        super().__init__(str(path), baseline.manifest)
        self._tasks = {task.task: task for task in baseline.tasks}

    def scored(self, task: str) -> Iterator[ScoredSample]:
        return unpack(self._tasks[task])

    def results(self) -> list[TaskResult]:
        return [task.result for task in self._tasks.values() if task.result is not None]


def open_source(path: str | Path) -> Source:
    """Open a run folder, a baseline with or without its suffix, or a report of pytest-benchmark.

    Raises:
        LedgerError: It's none of them, or damaged.
        UnknownNameError: The report has no such test.
    """
    path = Path(path)
    if is_run_folder(path):
        return _RunSource(path)
    if is_benchmark_file(path):
        return _BaselineSource(path, read_benchmark_file(path))
    if path.is_dir() or baseline_path(path) is None:
        raise LedgerError(
            f"{path} is neither a run folder nor a baseline",
            "give a folder that `cheers-bench run --out` wrote, or a file of "
            "`cheers-bench baseline save`",
        )
    return _BaselineSource(path, read_baseline(path))
