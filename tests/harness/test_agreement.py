"""Agreement of judges: kappa against its definition, its interval, and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.agreement import cohen_kappa, measure_agreement, render
from harness.cli.main import main
from harness.errors import LedgerError, ProtocolMismatchError, UnknownNameError
from harness.records import Outcome, Response, Sample, Verdict
from harness.registry import models, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.harness.toys import ToyModel, ToyPictures, ToyTask

Judged: TypeAlias = Callable[..., Path]

pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40)


def table(rows: list[tuple[int, int]]) -> np.ndarray:
    counts = np.zeros((len(rows), 3, 3), dtype=int)
    for index, place in enumerate(rows):
        counts[(index, *place)] = 1
    return counts


@given(pairs)
def test_kappa_is_cohens(rows: list[tuple[int, int]]):
    n = len(rows)
    seen = sum(a == b for a, b in rows) / n
    chance = sum(sum(a == c for a, _ in rows) * sum(b == c for _, b in rows) for c in range(3)) / (
        n * n
    )
    found = cohen_kappa(table(rows))
    if math.isclose(chance, 1):
        assert found.value is None
    else:
        assert found.value == pytest.approx((seen - chance) / (1 - chance), abs=1e-9)


@given(pairs)
def test_kappa_does_not_depend_on_who_is_first(rows: list[tuple[int, int]]):
    there = cohen_kappa(table(rows))
    back = cohen_kappa(table([(b, a) for a, b in rows]))
    assert (there.value is None) == (back.value is None)
    assume(there.value is not None)
    assert there.value == pytest.approx(back.value)


def test_kappa_of_perfect_and_opposite_judges():
    same = cohen_kappa(table([(0, 0), (1, 1)] * 10))
    assert same.value == 1
    assert same.low == pytest.approx(1)
    assert cohen_kappa(table([(0, 1), (1, 0)] * 10)).value == -1
    assert cohen_kappa(table([(0, 0)] * 10)) == (None, None, None)
    assert cohen_kappa(table([(0, 0), (1, 1)])).low is None  # without either, all are alike


def test_the_interval_covers_and_widens_with_clusters():
    rng = np.random.default_rng(0)
    truth, hits, trials = 0.6, 0, 300
    for _ in range(trials):
        first = rng.integers(0, 2, 150)
        second = np.where(rng.random(150) < truth, first, rng.integers(0, 2, 150))
        found = cohen_kappa(table(list(zip(first.tolist(), second.tolist(), strict=True))))
        assert found.low is not None
        hits += found.low <= truth <= found.high
    assert 0.90 < hits / trials < 0.99
    rows = table([(0, 0)] * 20 + [(1, 1)] * 20 + [(0, 1)] * 8)
    alone, together = cohen_kappa(rows), cohen_kappa(rows.reshape(12, 4, 3, 3).sum(axis=1))
    assert alone.value == together.value
    assert together.high - together.low > alone.high - alone.low


class Strict(ToyPictures):
    """Another judge: what the first calls wrong stays so, and some more."""

    def score(self, sample: Sample, response: Response) -> Outcome:
        if self.options["scorer"] == "broken" and sample.data["i"] % 7 == 0:
            raise RuntimeError("no verdict")
        found = super().score(sample, response)
        strict = self.options["scorer"] == "strict" and sample.data["i"] % 5 == 0
        if not strict or found.verdict is Verdict.WRONG:
            return found
        return Outcome(verdict=Verdict.WRONG, reason="too | dim", scores={"accuracy": 0.0})


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(tasks()._added, "toy-pictures", Strict)
    monkeypatch.setitem(tasks()._added, "toy-answers", ToyTask)
    monkeypatch.setitem(models()._added, "toy", ToyModel)

    def run(scorer: str, *names: str, seed: int = 0, n: int = 40) -> Path:
        out = tmp_path / f"{scorer}{seed}{n}{len(names)}"
        refs = tuple(
            TaskRef(task=name, options={"scorer": scorer, "n": n})
            for name in names or ("toy-pictures",)
        )
        execute(RunSpec(tasks=refs, model=ModelRef(name="toy"), seed=seed, out=str(out)))
        return out

    return run


def test_two_judges_of_the_same_pictures(judged: Judged):
    first, second = judged("1"), judged("strict")
    (task,) = measure_agreement(first, second).tasks
    assert task.samples == 40
    assert task.clusters == 20
    assert task.unknown == 0
    assert set(task.counts) == {"ok/ok", "ok/wrong", "wrong/wrong"}
    apart = task.counts["ok/wrong"]
    assert len(task.disagreements) == apart > 0
    assert task.agreed == 1 - apart / 40
    assert 0 < task.kappa < 1
    assert task.kappa_low < task.kappa < task.kappa_high
    (difference,) = task.differences
    assert difference.difference == pytest.approx(-apart / 40)
    assert difference.low < difference.difference < difference.high
    assert all((first / one.image).is_file() for one in task.disagreements)
    assert {one.second_reason for one in task.disagreements} == {"too | dim"}


def test_a_judge_agrees_with_itself(judged: Judged):
    first = judged("1")
    (task,) = measure_agreement(first, first).tasks
    assert (task.kappa, task.agreed, task.disagreements) == (1, 1, ())
    assert "100.0%" in render(measure_agreement(first, first), "md")


def test_samples_without_a_verdict_are_counted_and_left_out(judged: Judged):
    (task,) = measure_agreement(judged("1"), judged("broken")).tasks
    assert task.unknown == 6
    assert task.samples == 34
    assert task.kappa == 1


def test_other_pictures_are_refused(judged: Judged):
    with pytest.raises(ProtocolMismatchError, match="has another response") as caught:
        measure_agreement(judged("1"), judged("1", seed=1))
    assert "recorded:" in caught.value.remedy
    with pytest.raises(LedgerError, match="has sample nothing where"):
        measure_agreement(judged("1", n=4), judged("1"))


def test_names_are_checked_and_missing_tasks_named(judged: Judged):
    first, second = judged("1", "toy-pictures", "toy-answers"), judged("strict")
    found = measure_agreement(first, second)
    assert [one.task for one in found.tasks] == ["toy-pictures"]
    assert found.skipped[0].reason == "only the first run has it"
    assert "toy-answers isn't compared" in render(found, "md")
    with pytest.raises(UnknownNameError, match="no run has a task 'toy'"):
        measure_agreement(first, second, tasks=["toy"])
    with pytest.raises(UnknownNameError, match="no task has a metric 'acuracy'") as caught:
        measure_agreement(first, second, metrics=["acuracy"])
    assert "accuracy" in caught.value.remedy


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def test_the_command_writes_both_formats(
    judged: Judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first, second = judged("1"), judged("strict")
    assert call("judge-agreement", first, second, "--metric", "accuracy") == 0
    shown = capsys.readouterr().out
    assert "kappa 0." in shown
    assert "too \\| dim" in shown
    target = tmp_path / "agreement.json"
    assert call("judge-agreement", first, second, "--format", "json", "--output", target) == 0
    found = json.loads(target.read_text())
    assert found["tasks"][0]["kappa"] < 1
    assert call("judge-agreement", first, tmp_path) == 1
