"""Runs of single benchmarks on synthetic data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.ledger import Entry, Ledger
from harness.records import TaskResult
from harness.registry import models
from harness.run import EngineSettings, execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.understanding.answering import Answering
from tests.understanding.synthetic import write_benchmark


class Ran:
    """A run of one task."""

    def __init__(self, folder: Path, task: str) -> None:
        with Ledger.open(folder) as ledger:
            (self.result,) = ledger.results()
            self.entries: list[Entry] = list(ledger.entries(task))
        self.folder = folder

    @property
    def values(self) -> dict[str, float | None]:
        return {metric.name: metric.value for metric in self.result.metrics}

    @property
    def verdicts(self) -> dict[str, int]:
        return dict(self.result.verdicts)

    def reasons(self) -> dict[str, str]:
        return {e.sample.key: e.outcome.reason for e in self.entries if e.outcome is not None}

    def texts(self) -> dict[str, str | None]:
        return {e.sample.key: e.response.text for e in self.entries if e.response is not None}


RunTask = Callable[..., Ran]


@pytest.fixture
def run_task(tmp_path: Path) -> Iterator[RunTask]:
    """Run a task with a model: a name, or an adapter; on a file, or on synthetic data."""
    before, numbers = dict(models()._added), iter(range(100))

    def run(
        task: str,
        model: str | Answering | None = None,
        *,
        file: Path | None = None,
        count: int = 8,
        args: dict[str, Any] | None = None,
        rearrange: Any = None,
        batch_size: int | None = None,
        limit: int | None = None,
        folder: Path | None = None,
        **options: Any,
    ) -> Ran:
        file = file or write_benchmark(task, tmp_path / "data", count)
        name = model if isinstance(model, str) else f"answering-{next(numbers)}"
        if not isinstance(model, str):
            adapter = model or Answering()
            models()._added[name] = lambda: adapter
        folder = folder or tmp_path / f"run-{next(numbers)}"
        settings = EngineSettings(rearrange=rearrange) if rearrange else EngineSettings()
        spec = RunSpec(
            tasks=(TaskRef(task=task, options={"file": str(file), **options}, limit=limit),),
            model=ModelRef(name=name, args=args or {}),
            batch_size=batch_size,
            out=str(folder),
        )
        execute(spec, settings=settings)
        return Ran(folder, task)

    yield run
    models()._added = before


def metric(result: TaskResult, name: str) -> Any:
    return next(value for value in result.metrics if value.name == name)
