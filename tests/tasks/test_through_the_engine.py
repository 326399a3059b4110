"""The embedded suite through the engine: perfect and constant models, stored and scored again."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.ledger import Ledger
from harness.records import TaskResult
from harness.registry import models, suites, tasks
from harness.run import execute, rescore
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.tasks.oracle import Oracle

SMALL = {
    "easy-vqa": {"questions": 40},
    "reconstruction": {"images": 3},
    "shapes-edit": {"edits": 12},
    "shapes-geneval": {"prompts": 3, "images": 2},
    "shapes-mmbench": {"questions": 15},
    "shapes-ocr": {"words": 15},
}
TOTALS = {
    "easy-vqa": 40,
    "reconstruction": 9,
    "shapes-edit": 12,
    "shapes-geneval": 36,
    "shapes-mmbench": 60,
    "shapes-ocr": 15,
}
PERFECT = {
    "easy-vqa": 1.0,
    "reconstruction": 100.0,
    "shapes-edit": 1.0,
    "shapes-geneval": 1.0,
    "shapes-mmbench": 1.0,
    "shapes-ocr": 1.0,
}


def _run(folder: Path, model: ModelRef) -> dict[str, TaskResult]:
    refs = tuple(TaskRef(task=name, options=options) for name, options in SMALL.items())
    execute(RunSpec(tasks=refs, model=model, out=str(folder)))
    return _results(folder)


def _results(folder: Path) -> dict[str, TaskResult]:
    with Ledger.open(folder) as ledger:
        return {result.task: result for result in ledger.results()}


def _primary(results: dict[str, TaskResult]) -> dict[str, float | None]:
    return {
        name: next(m.value for m in r.metrics if m.name == tasks().get(name).metadata.primary.name)
        for name, r in results.items()
    }


@pytest.fixture(scope="module")
def perfect(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the oracle on all tasks."""
    built = [tasks().get(name)(options) for name, options in SMALL.items()]
    models()._added["oracle"] = lambda: Oracle(built)  # type: ignore[assignment]
    folder = tmp_path_factory.mktemp("perfect") / "run"
    try:
        _run(folder, ModelRef(name="oracle"))
    finally:
        del models()._added["oracle"]
    return folder


def test_the_oracle_is_perfect_after_storage(perfect: Path):
    results = _results(perfect)
    assert _primary(results) == PERFECT
    assert {name: result.total for name, result in results.items()} == TOTALS
    assert all(set(result.verdicts) == {"ok"} for result in results.values())


def test_scoring_again_needs_no_model_and_changes_nothing(perfect: Path):
    before = _results(perfect)
    rescore(perfect)
    assert _results(perfect) == before


def test_a_constant_model_gets_what_chance_gives(tmp_path: Path):
    results = _run(tmp_path / "run", ModelRef(name="null", args={"answer": "A"}))
    primary = _primary(results)
    assert primary["shapes-mmbench"] == 0  # never right in all four rotations
    assert results["shapes-mmbench"].verdicts == {"ok": 15, "wrong": 45}
    assert primary["shapes-ocr"] == 0
    assert results["easy-vqa"].verdicts == {"unparsed": 40}
    assert primary["shapes-edit"] == 0  # the null model's edits change nothing
    assert results["shapes-geneval"].verdicts == {"wrong": 36}


def test_silence_is_unparsed_and_never_an_error(tmp_path: Path):
    results = _run(tmp_path / "run", ModelRef(name="null", args={"answer": ""}))
    for name in ("easy-vqa", "shapes-mmbench", "shapes-ocr"):
        assert results[name].verdicts == {"unparsed": TOTALS[name]}
        assert _primary(results)[name] == 0


def test_the_small_options_cover_every_task_of_the_suites():
    for name, more in (("smoke", set()), ("shapes", {"shapes-cycle"})):  # tests/cycle
        listed = {entry.task for entry in suites().get(name).entries}
        assert listed == {*SMALL, *more, "probe-latency", "probe-tokens"}
