"""Toy tasks and models in the registries, and runs of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from harness.adapter import ModelAdapter
from harness.registry import models, tasks
from harness.run import EngineSettings, execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.harness import toys

Run: TypeAlias = Callable[..., Any]
"""Executes the named toy tasks; keyword arguments are fields of the spec, an adapter, settings."""


@pytest.fixture(autouse=True)
def _registered_toys() -> Iterator[None]:
    before = (dict(tasks()._added), dict(models()._added))
    for task in toys.TASKS:
        tasks().add(task.metadata.name, task)
    models().add("toy", toys.ToyModel)
    yield
    tasks()._added, models()._added = before


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., RunSpec]:
    """Build a spec of one or more toy tasks, by default in `tmp_path/run`."""

    def make(*names: str, out: str = "run", args: Any = None, **fields: Any) -> RunSpec:
        refs = tuple(
            TaskRef(task=name) if isinstance(name, str) else name
            for name in names or ("toy-answers",)
        )
        model = fields.pop("model", "toy")
        label = fields.pop("label", None)
        return RunSpec(
            tasks=refs,
            model=ModelRef(name=model, args=args or {}, label=label),
            out=str(tmp_path / out),
            **fields,
        )

    return make


@pytest.fixture
def run(spec: Callable[..., RunSpec]) -> Run:
    """Execute a spec, optionally on a given adapter."""

    def go(*names: str, adapter: ModelAdapter | None = None, **fields: Any) -> Any:
        settings = fields.pop("settings", EngineSettings())
        progress = fields.pop("progress", None)
        if adapter is not None:
            models()._added["given"] = lambda: adapter  # type: ignore[assignment]
            fields["model"] = "given"
        return execute(spec(*names, **fields), settings=settings, progress=progress)

    return go
