"""Noise between seeds: variance components of known data, resumed runs, files for the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.cli.main import main
from harness.errors import LedgerError, ProtocolMismatchError, SpecError
from harness.gate import Policy, judge
from harness.migrations import Migration
from harness.noise import family, read_noise
from harness.noise.measuring import measure_noise, spread, variance_components
from harness.noise.repeating import repeat
from harness.records import RunStatus
from harness.registry import models, tasks
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.gate.made import made, plan, rows, share
from tests.harness import toys


def test_components_of_a_textbook_case():
    """Shrout and Fleiss 1979, table 2: six targets by four judges; ICC(1,1) is .17."""
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]],
        dtype=float,
    )
    found = variance_components(ratings)
    assert found.icc == pytest.approx(0.17, abs=0.005)
    assert (found.icc_low, found.icc_high) == (
        pytest.approx(-0.13, abs=0.005),
        pytest.approx(0.72, abs=0.005),
    )
    assert found.within == pytest.approx(6.26, abs=0.005)


def test_components_are_recovered():
    rng = np.random.default_rng(0)
    prompts, seeds = rng.normal(0, 0.3, (2000, 1)), rng.normal(0, 0.1, (2000, 6))
    found = variance_components(prompts + seeds)
    assert found.between == pytest.approx(0.09, rel=0.1)
    assert found.within == pytest.approx(0.01, rel=0.05)
    assert found.icc_low < 0.9 < found.icc_high
    assert found.expected_sd == pytest.approx(0.1 / np.sqrt(2000), rel=0.05)


def test_the_interval_of_the_icc_covers():
    rng, hits, rounds = np.random.default_rng(1), 0, 400
    for _ in range(rounds):
        scores = rng.normal(0, 1, (30, 1)) + rng.normal(0, 1, (30, 5))
        found = variance_components(scores)
        hits += found.icc_low <= 0.5 <= found.icc_high
    assert 0.92 <= hits / rounds <= 0.98


def test_seeds_that_change_nothing():
    found = variance_components(np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert (found.within, found.icc, found.icc_low, found.expected_sd) == (0, 1, 1, 0)
    assert variance_components(np.ones((3, 2))) is None


def test_the_spread_and_its_interval():
    values = [0.5, 0.6, 0.4, 0.7]
    found = spread("m", values, None)
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    low, high = (scipy_stats.chi2.ppf(q, 3) for q in (0.975, 0.025))
    assert found.sd_low**2 * low == pytest.approx(3 * found.sd**2)
    assert found.sd_high**2 * high == pytest.approx(3 * found.sd**2)
    assert (found.low, found.high, found.mean) == (0.4, 0.7, pytest.approx(0.55))


def test_the_floor_is_exceeded_by_five_of_a_hundred_pairs():
    rng, beyond, rounds = np.random.default_rng(2), 0, 4000
    for _ in range(rounds):
        *seeds, one, other = rng.normal(0.7, 0.02, 7)
        beyond += abs(one - other) > spread("m", seeds, None).floor
    assert beyond / rounds == pytest.approx(0.05, abs=0.012)


def _seeded(tmp_path: Path, seed: int, **changes: Any) -> Path:
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(99).random(100).repeat(2)
    scores = (rng.random(200) < hard).astype(float)
    return made(tmp_path, f"s{seed}", {"t": rows(scores.tolist(), 2)}, seed=seed, **changes)


def test_runs_of_several_seeds_are_measured(tmp_path: Path):
    report = measure_noise([_seeded(tmp_path, seed) for seed in range(6)], "t", tmp_path)
    assert report.seeds == (0, 1, 2, 3, 4, 5)
    assert report.runs[0] == "s0.jsonl"
    assert report.clusters == 100
    accuracy = report.metric("accuracy")
    # Rights are drawn with a chance that is uniform over prompts: 1/12 between, 1/6 / 2 within.
    assert accuracy.components.icc_low < 0.5 < accuracy.components.icc_high
    assert 0.4 < accuracy.sd / accuracy.components.expected_sd < 2
    kinds = report.metric("kinds")
    assert kinds.components.expected_sd == pytest.approx(accuracy.components.expected_sd)
    assert report.metric("f1").components is None
    assert report.metric("nothing") is None


def test_what_cannot_be_measured_is_named(tmp_path: Path):
    a, b = _seeded(tmp_path, 0), _seeded(tmp_path, 1)
    with pytest.raises(SpecError, match="two runs at least"):
        measure_noise([a], "t", tmp_path)
    with pytest.raises(ProtocolMismatchError, match="aren't all different"):
        measure_noise([a, a], "t", tmp_path)
    with pytest.raises(LedgerError, match="no scores of task 'u'"):
        measure_noise([a, b], "u", tmp_path)
    other = _seeded(tmp_path, 2, version="2")
    with pytest.raises(ProtocolMismatchError, match=r"more than their seeds(.|\n)*scorer.version"):
        measure_noise([a, other], "t", tmp_path)
    half = _seeded(tmp_path, 3, status=RunStatus.INTERRUPTED)
    with pytest.raises(LedgerError, match="is interrupted"):
        measure_noise([a, half], "t", tmp_path)
    holed = made(tmp_path, "holed", {"t": rows([None, *share(3, 9)])}, seed=4)
    with pytest.raises(LedgerError, match=r"sample p0#0 of 't' has no score"):
        measure_noise([a, holed], "t", tmp_path)


def test_a_family_is_the_protocol_without_its_seed():
    assert family(plan("t", seed=1).protocol) == family(plan("t", seed=2).protocol)
    assert family(plan("t", version="2").protocol) != family(plan("t").protocol)


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[RunSpec]:
    before = dict(tasks()._added), dict(models()._added)
    tasks().add("toy-answers", toys.ToyTask)
    models().add("toy", toys.ToyModel)
    yield RunSpec(
        tasks=(TaskRef(task="toy-answers"),),
        model=ModelRef(name="toy", args={"log": str(tmp_path / "served")}),
        out=str(tmp_path / "noise"),
    )
    tasks()._added, models()._added = before


def test_a_task_is_repeated_and_resumed(spec: RunSpec, tmp_path: Path):
    report = repeat(spec, "toy-answers", range(3))
    assert report.seeds == (0, 1, 2)
    assert len(set(report.metric("accuracy").values)) > 1
    served = (tmp_path / "served").read_text()
    assert len(served.splitlines()) == 3 * 40
    assert repeat(spec, "toy-answers", range(3)) == report
    assert repeat(spec, "toy-answers", range(4)).seeds == (0, 1, 2, 3)
    assert len((tmp_path / "served").read_text().splitlines()) == 4 * 40
    assert read_noise(tmp_path / "noise" / "noise.json").runs == (
        "seed0",
        "seed1",
        "seed2",
        "seed3",
    )


def test_older_and_newer_files(spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    report = repeat(spec, "toy-answers", range(2))
    path = tmp_path / "noise" / "noise.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "schema_version": 9}))
    with pytest.raises(LedgerError, match="newer cheers-bench"):
        read_noise(path)
    old = {key: value for key, value in raw.items() if key != "notes"}
    path.write_text(json.dumps({**old, "schema_version": 0}))
    step = Migration(0, manifest=lambda found: {**found, "notes": {}})
    monkeypatch.setattr("harness.noise.store.MIGRATIONS", (step,))
    assert read_noise(path) == report


def test_the_command(spec: RunSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "noise"
    with pytest.raises(SystemExit) as done:
        main(
            [
                *("noise", "--task", "toy-answers", "--model", "toy", "--seeds", "2"),
                *("--first-seed", "7", "--task-option", "n=20", "--out", str(out)),
            ]
        )
    assert not done.value.code
    text = capsys.readouterr().out
    assert "toy-answers, toy: seeds 7, 8, 10 clusters each" in text
    assert "accuracy" in text
    policy = Policy(noise=str(out / "noise.json"))
    report = judge(out / "seed7", out / "seed7", policy)
    (found,) = report.metrics
    assert found.margin == max(0.03, found.floor or 0.0)
    assert msgspec.json.decode((out / "noise.json").read_bytes())["task"] == "toy-answers"
