"""Probes on a GPU: its events, its allocator, its energy counter, its peaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.ledger import Ledger
from harness.records import TaskResult, Verdict
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef

pytestmark = pytest.mark.gpu

SHORT: dict[str, Any] = {"image_size": 64, "max_new_tokens": 16, "steps": 2, "warmup": 1}


def measured(folder: Path, probe: str, **options: Any) -> tuple[TaskResult, dict[str, float]]:
    """A probe's result, and the metrics that have a value."""
    task = TaskRef(task=probe, options={**SHORT, **options})
    model = ModelRef(name="cheers-nano", args={"device": "cuda"})
    execute(RunSpec(tasks=(task,), model=model, out=str(folder)))
    with Ledger.open(folder) as ledger:
        (result,) = ledger.results()
    return result, {m.name: m.value for m in result.metrics if m.value is not None}


def test_components_take_time_and_stay_under_the_roof(tmp_path: Path) -> None:
    result, found = measured(tmp_path / "run", "probe-components", rounds=3)
    assert set(result.verdicts) == {Verdict.OK}, result.verdicts
    for kind in ("answer", "generate_image"):
        assert 0 < found[f"{kind}_mfu"] <= 1
        assert 0 < found[f"{kind}_mbu"] <= 1
        assert 0 < found[f"{kind}_watched"] <= 1.02  # events and the wall clock are two clocks
        assert found[f"{kind}_working_mib"] > 0
        assert found[f"{kind}_gflops"] > 0
    assert found["answer_completion_tokens"] == 16
    assert found["answer_itl_p50"] > 0


def test_operations_are_those_of_the_cpu(tmp_path: Path) -> None:
    """Another kernel of attention and fused ones do the same work."""
    found = []
    for device in ("cuda", "cpu"):
        task = TaskRef(task="probe-components", options={**SHORT, "rounds": 1})
        model = ModelRef(name="cheers-nano", args={"device": device})
        execute(RunSpec(tasks=(task,), model=model, out=str(tmp_path / device)))
        with Ledger.open(tmp_path / device) as ledger:
            (result,) = ledger.results()
        found.append({m.name: m.value for m in result.metrics if m.name.endswith("_gflops")})
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_scenarios_are_served_and_energy_is_counted_or_its_lack_explained(tmp_path: Path) -> None:
    options = {"queries": 4, "episodes": 2, "episode_queries": 6, "batch": 4}
    result, found = measured(tmp_path / "run", "probe-serving", **options)
    assert set(result.verdicts) == {Verdict.OK}, result.verdicts
    assert found["answer_single_stream_latency_p50"] > found["answer_single_stream_tpot_p50"] > 0
    assert found["generate_image_offline_images_per_s"] > 0
    with Ledger.open(tmp_path / "run") as ledger:
        details = [row.outcome.details or {} for row in ledger.scored("probe-serving")]
    sources = {str(d["energy"]) for d in details if "energy" in d}
    assert len(sources) == 1, "one counter in all episodes, or one reason why there's none"
    if sources == {"nvml"}:
        assert found["answer_offline_joules_per_request"] > 0


def test_larger_batches_take_more_memory_and_less_time_each(tmp_path: Path) -> None:
    _, found = measured(tmp_path / "run", "probe-latency", rounds=5, batch_sizes=[1, 8])
    assert found["generate_image_peak_mib_b8"] > found["generate_image_peak_mib_b1"]
    assert found["generate_image_throughput_b8"] > found["generate_image_throughput_b1"]
    assert found["answer_throughput_b8"] > found["answer_throughput_b1"]
