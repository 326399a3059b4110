"""The embedded model: small, safe to load, and it has learnt what its card says."""

import json
from pathlib import Path

import pytest

from harness.ledger import Ledger
from harness.records import TaskResult, TaskStatus
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from model_adapters.cheers.embedded import NANO_FOLDER

TASKS = (
    TaskRef(task="shapes-geneval", options={"prompts": 4, "images": 1}),
    TaskRef(task="shapes-mmbench", options={"questions": 25}),
    TaskRef(task="shapes-ocr", options={"words": 40}),
    TaskRef(task="easy-vqa", options={"questions": 120}),
    TaskRef(task="reconstruction", options={"images": 4}),
)


def _results(model: str, folder: Path) -> dict[str, TaskResult]:
    execute(RunSpec(tasks=TASKS, model=ModelRef(name=model), out=str(folder)))
    with Ledger.open(folder) as ledger:
        return {result.task: result for result in ledger.results()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskResult]:
    return _results("cheers-nano", tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskResult]:
    return _results("cheers-nano-untrained", tmp_path_factory.mktemp("untrained") / "run")


def _value(results: dict[str, TaskResult], task: str, metric: str) -> float:
    (found,) = [m.value for m in results[task].metrics if m.name == metric]
    assert found is not None
    return found


def test_the_weights_are_small_and_safe():
    weights = NANO_FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 12_000_000
    assert not [path for path in NANO_FOLDER.iterdir() if path.suffix in (".pt", ".bin", ".pkl")]


def test_the_card_tells_data_steps_and_scores():
    card = (NANO_FOLDER / "README.md").read_text().lower()
    for word in ("data", "steps", "minutes", "licen", "easy-vqa", "shapes-geneval", "loss"):
        assert word in card, word


def test_decoding_defaults_are_stored():
    defaults = json.loads((NANO_FOLDER / "generation_config.json").read_text())
    assert {"steps", "cfg_scale", "alpha"} <= set(defaults)


def test_every_sample_is_scored(trained: dict[str, TaskResult]):
    assert {result.status for result in trained.values()} == {TaskStatus.COMPLETE}


# Floors for small subsets, well below the card's scores: they catch a broken model or pipeline,
# not a slightly worse one.
@pytest.mark.parametrize(
    ("task", "metric", "floor"),
    [
        ("shapes-geneval", "overall", 0.35),
        ("shapes-mmbench", "accuracy", 0.75),
        ("shapes-ocr", "exact", 0.9),
        ("easy-vqa", "accuracy", 0.75),
        ("reconstruction", "word_read", 0.7),
    ],
)
def test_it_has_learnt(
    trained: dict[str, TaskResult],
    untrained: dict[str, TaskResult],
    task: str,
    metric: str,
    floor: float,
):
    learnt, fresh = _value(trained, task, metric), _value(untrained, task, metric)
    assert learnt >= floor
    assert fresh < floor / 2
