"""A pytest fixture that runs tasks, probes above all, and puts them into pytest-benchmark's report.

Ask for it with `pytest_plugins = ["harness.pytest_plugin"]` in `conftest.py`. `pytest
--benchmark-json FILE` writes the report; `cheers-bench gate` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from harness.records import JsonValue, TaskResult

__all__ = ["bench_tasks"]

RunTasks: TypeAlias = "Callable[..., dict[str, TaskResult]]"


@pytest.fixture
def bench_tasks(request: pytest.FixtureRequest, tmp_path: Path) -> RunTasks:
    """Run tasks on a model; once per test, since pytest-benchmark times one thing per test.

    The function takes names of tasks, or their options by name, the name of a `model` with its
    `model_args`, `seed` and `limit`, and gives the results by task.

    Example:
        def test_latency(bench_tasks):
            results = bench_tasks("probe-latency", model="cheers-nano")
            assert not results["probe-latency"].notes
    """
    try:
        benchmark = request.getfixturevalue("benchmark")
    except pytest.FixtureLookupError:
        pytest.skip("pytest-benchmark isn't installed: pip install pytest-benchmark")

    def run(
        *tasks: str,
        model: str,
        model_args: Mapping[str, JsonValue] | None = None,
        options: Mapping[str, Mapping[str, JsonValue]] | None = None,
        seed: int = 0,
        limit: int | None = None,
    ) -> dict[str, TaskResult]:
        from harness.run import execute
        from harness.runspec import ModelRef, RunSpec, TaskRef

        chosen = options or {}
        spec = RunSpec(
            tasks=tuple(
                TaskRef(task=name, options=chosen.get(name, {}), limit=limit)
                for name in dict.fromkeys((*tasks, *chosen))
            ),
            model=ModelRef(name=model, args=model_args or {}),
            out=str(tmp_path / "run"),
            seed=seed,
        )
        benchmark.pedantic(lambda: execute(spec), rounds=1, iterations=1)
        return _recorded(tmp_path / "run", benchmark.extra_info)

    return run


def _recorded(folder: Path, extra_info: dict[str, Any]) -> dict[str, TaskResult]:
    """Put the run into the report, and give its results."""
    import msgspec

    from harness.baselines import make_baseline
    from harness.benchmark_file import KEY

    baseline = make_baseline(folder, "pytest", allow_unknown=True)
    extra_info[KEY] = msgspec.to_builtins(baseline)
    return {task.task: task.result for task in baseline.tasks if task.result is not None}
