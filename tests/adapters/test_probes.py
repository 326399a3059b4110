"""Both probes on the real CHEERS, through a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.ledger import Ledger
from harness.records import Capability, TaskResult
from harness.registry import models
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.task import ProbeContext
from model_adapters.cheers import COMPONENTS
from model_adapters.cheers.adapter import CheersAdapter
from tasks.probes.components import ComponentsProbe
from tasks.probes.inputs import Workload


@pytest.fixture(scope="module")
def results(adapter: CheersAdapter, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("probes") / "run"
    options = {"rounds": 3, "batch_rounds": 1, "batch_sizes": [1, 2], "image_size": 32}
    before = dict(models()._added)
    models()._added["given"] = lambda: adapter
    tasks = (TaskRef(task="probe-tokens"), TaskRef(task="probe-latency", options=options))
    execute(RunSpec(tasks=tasks, model=ModelRef(name="given"), out=str(out)))
    models()._added = before
    with Ledger.open(Path(out)) as ledger:
        return {result.task: result for result in ledger.results()}


def values(result: TaskResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in result.metrics}


def test_the_compression_is_four_counted_not_declared(results: Any):
    found = values(results["probe-tokens"])
    assert found["compression"] == found["compression_declared"] == 4
    assert found["agreement"] == 1
    assert found["kv_cache_saved"] == 0.75
    assert 0.75 < found["prefill_saved"] < 15 / 16  # linear work falls 4x, attention 16x
    assert found["kv_cache_ratio"] == 4  # of the bytes that were allocated
    assert found["prefill_ratio"] > 0  # so small a model takes as long for either
    assert results["probe-tokens"].verdicts == {"ok": 5}


def test_every_capability_is_timed(results: Any):
    result, found = results["probe-latency"], values(results["probe-latency"])
    assert result.verdicts == {"ok": 5 * (3 + 1 + 2)}
    for name in ("generate_image", "answer", "edit_image", "loglikelihood", "reconstruct"):
        assert found[f"{name}_seconds_p50"] > 0
        assert found[f"{name}_throughput_b2"] > 0
    assert found["answer_completion_tokens_b2"] == 32
    assert not [note for note in result.notes if "terse" in note]
    assert 0 < found["answer_ttft_p50"] < found["answer_seconds_p50"]
    assert 0 < found["generate_image_ttft_p50"] < found["generate_image_seconds_p50"]
    assert found["generate_image_nfe_per_s_b1"] == pytest.approx(
        8 * found["generate_image_throughput_b1"]
    )


def test_the_components_account_for_most_of_a_drawing(results: Any):
    profiles = results["probe-latency"].extra["profiles"]
    shares = profiles["generate_image/b1"]["shares"]
    assert set(COMPONENTS) <= set(shares) <= {*COMPONENTS, "lm_head"}
    assert 0.5 < sum(shares.values()) <= 1.0
    assert set(profiles["reconstruct/b1"]["shares"]) >= {"vae_encode", "vae_decode"}
    assert "llm" not in profiles["reconstruct/b1"]["shares"]
    assert {"llm", "lm_head"} <= set(profiles["answer/b1"]["shares"])


def test_the_backbone_s_phases_are_told_apart(adapter: CheersAdapter):
    answer = Workload(image_size=32, max_new_tokens=4, steps=2).request(Capability.ANSWER, 0, 1)
    with adapter.watch_components(count=False) as timed:
        (response,) = adapter.answer([answer])
    tokens = response.usage.completion_tokens
    assert timed["llm/prefill"].calls == 1
    assert tokens is not None
    assert sum(one.calls for name, one in timed.items() if name == "llm/decode") == tokens - 1
    drawing = Workload(image_size=32, max_new_tokens=4, steps=2)
    with adapter.watch_components(count=False) as timed:
        adapter.generate_image([drawing.request(Capability.GENERATE_IMAGE, 0, 1)])
    assert timed["llm/denoise"].calls == 2
    assert timed["hi_gate"].calls == 2


def test_counted_prefill_agrees_with_the_account(adapter: CheersAdapter):
    tokens = adapter.vision_tokens(32, 32)
    with adapter.watch_components(count=True) as counted:
        adapter.prefill(tokens.llm_tokens)
    assert counted["llm/prefill"].flops == pytest.approx(tokens.prefill_flops, rel=1e-6)
    assert counted["llm/prefill"].cache_bytes == tokens.kv_cache_bytes


def test_counted_answers_are_as_long_as_timed_ones(adapter: CheersAdapter, tmp_path: Path):
    """Of a fixed length both passes run the same calls, wherever the model would have ended."""
    probe = ComponentsProbe({"rounds": 1, "image_size": 32, "max_new_tokens": 6, "steps": 2})
    sample = next(s for s in probe.samples() if s.category == Capability.ANSWER.value)
    context = ProbeContext(seed=0, limit=None, batch_size=None, folder=tmp_path)
    outcome = probe.measure(adapter, sample, context)
    assert outcome.scores["completion_tokens"] == 6
    assert outcome.details["completion_tokens"] == [6]
    components: Any = outcome.details["components"]
    assert components["llm/decode"]["calls"] == 5
