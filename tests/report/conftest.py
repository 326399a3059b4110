"""Runs of toy tasks, reports of them, and a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from harness.registry import models, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.report import toys

MakeRun: TypeAlias = Callable[..., Path]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session", autouse=True)
def _registered_toys() -> Iterator[None]:
    before = (dict(tasks()._added), dict(models()._added))
    for task in toys.TASKS:
        tasks().add(task.metadata.name, task)
    models().add("toy", toys.Model)
    yield
    tasks()._added, models()._added = before


def make(
    folder: Path,
    *names: str,
    label: str | None = None,
    answers: Sequence[str] = toys.ANSWERS,
    limit: int | None = None,
    seed: int = 0,
) -> Path:
    """Run toy tasks into a folder."""
    models()._added["given"] = lambda: toys.Model(answers)  # type: ignore[assignment]
    spec = RunSpec(
        tasks=tuple(TaskRef(task=name) for name in names or ("toy-questions", "toy-pictures")),
        model=ModelRef(name="given", label=label),
        limit=limit,
        seed=seed,
        out=str(folder),
    )
    execute(spec)
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Run toy tasks into a new folder; arguments as `make`."""
    count = iter(range(100))
    return lambda *names, **fields: make(tmp_path / f"run{next(count)}", *names, **fields)


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run with hostile answers and one that is always right."""
    folder = tmp_path_factory.mktemp("runs")
    hostile = make(folder / "hostile", label=f"hostile {toys.SCRIPT} {toys.BIDI}")
    return [hostile, make(folder / "right", label="right", answers=("A", "A", "A", "!"))]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the package is missing: pip install playwright"
    )
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as play:
        launched = play.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()
