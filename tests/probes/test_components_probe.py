"""probe-components on made-up components under a made-up roof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from harness.adapter import ModelAdapter
from harness.components import ComponentWork
from harness.errors import AdapterError, CapabilityError, SpecError
from harness.records import Capability, ScoredSample, TaskResult
from harness.task import ProbeContext
from harness.torch_support import Peaks
from tasks.probes.components import ComponentsProbe
from tasks.probes.rooflines import costs, totals
from tests.probes.clockwork import Clock, Clockwork, work

PEAKS = Peaks(flops_per_s=1e12, bytes_per_s=1e11, matmul_side=1024, copy_mib=128)
MIB = 2**20


TIMED = {
    "tower": work(seconds=1.0),
    "llm/decode": work(seconds=0.5, calls=4, gaps_s=(0.1, 0.2, 0.3)),
}
COUNTED = {
    "tower": work(flops=5e11, traffic_bytes=10**9, weight_bytes=3 * MIB),
    "llm/decode": work(
        flops=1e9, traffic_bytes=10**10, weight_bytes=MIB, cache_bytes=2 * MIB, calls=4
    ),
}


class Watched(Clockwork):
    """Components whose work is known; the device is as fast as its clock says."""

    timed: Mapping[str, ComponentWork] = TIMED
    counted: Mapping[str, ComponentWork] = COUNTED

    @contextmanager
    def watch_components(self, *, count: bool) -> Iterator[Mapping[str, ComponentWork]]:
        self.calls["count" if count else "time", 0] += 1
        found: dict[str, ComponentWork] = {}
        yield found
        found |= self.counted if count else self.timed


@pytest.fixture(autouse=True)
def roof(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    asked: list[tuple[str, str]] = []

    def measure(device: str, dtype: str) -> Peaks:
        asked.append((device, dtype))
        return PEAKS

    monkeypatch.setattr("harness.torch_support.measure_peaks", measure)
    return asked


def result(model: Clockwork, context: ProbeContext, **options: Any) -> TaskResult:
    probe = ComponentsProbe({"rounds": 3, "fixed_length": False, **options})
    rows = [
        ScoredSample(sample=sample, outcome=probe.measure(model, sample, context))
        for sample in probe.samples_for(model.card)
    ]
    return probe.aggregate(rows, probe.protocol(seed=0))


def test_a_component_is_held_to_the_side_of_the_roof_it_is_under():
    found = costs(TIMED, COUNTED, PEAKS, wall=2.0)
    tower, decode = found["tower"], found["llm/decode"]
    # 500 GFLOP take half a second at the peak; 10 GB take a tenth.
    assert (tower.bound, decode.bound) == ("compute", "memory")
    assert tower.mfu == tower.roofline == pytest.approx(0.5)
    assert decode.mbu == decode.roofline == pytest.approx(0.1 / 0.5)
    assert (tower.share, decode.share) == (0.5, 0.25)
    assert tower.intensity == pytest.approx(500)
    assert (decode.calls, decode.cache_mib, decode.weights_mib) == (4, 2, 1)


def test_whole_requests_are_held_to_their_wall_time():
    found = totals(costs(TIMED, COUNTED, PEAKS, wall=2.0), PEAKS, 2.0)
    assert found["mfu"] == pytest.approx((5e11 + 1e9) / 2 / 1e12)
    assert found["mbu"] == pytest.approx(1.1e10 / 2 / 1e11)
    assert found["roofline"] == pytest.approx((0.5 + 0.1) / 2)
    assert found["watched"] == pytest.approx(0.75)
    assert found["weights_mib"] == 4
    assert found["kv_cache_mib"] == 2


def test_passes_that_ran_differently_aren_t_compared():
    with pytest.raises(AdapterError, match="ran differently"):
        costs(TIMED, {"tower": COUNTED["tower"]}, PEAKS, wall=2.0)


def test_the_metrics_are_medians_over_rounds(clock: Clock, context: ProbeContext):
    found = result(Watched(clock), context)
    values = {metric.name: metric.value for metric in found.metrics}
    assert values["answer_mfu"] == pytest.approx(5.01e11 / 3.0 / 1e12)  # answers take 3 s
    assert values["generate_image_watched"] == pytest.approx(1.5 / 20)
    assert values["answer_itl_p50"] == pytest.approx(0.2)
    assert values["answer_itl_p99"] == pytest.approx(0.298)
    assert "generate_image_itl_p50" not in values
    assert not [name for name in values if name.startswith("edit")]


def test_components_and_peaks_are_in_the_result(clock: Clock, context: ProbeContext, roof: Any):
    found = result(Watched(clock), context)
    assert found.extra["components"]["answer"]["tower"]["mfu"] == pytest.approx(0.5)
    assert found.extra["peaks"]["flops_per_s"] == 1e12
    assert found.extra["peaks"]["bytes_per_s_spread"] == 1
    assert set(roof) == {("cpu", "float32")}
    assert len(roof) == 3 * 3  # beside each round of each capability


def test_work_is_counted_once_and_timed_every_round(clock: Clock, context: ProbeContext):
    model = Watched(clock)
    result(model, context)
    assert model.calls["count", 0] == 3
    assert model.calls["time", 0] == 3 * 3


def test_a_model_without_components_is_an_error(clock: Clock, context: ProbeContext):
    class Opaque(Clockwork):
        watch_components = ModelAdapter.watch_components

    probe = ComponentsProbe()
    with pytest.raises(CapabilityError, match="watches no components"):
        probe.measure(Opaque(clock), next(probe.samples()), context)


def test_the_probe_applies_to_models_that_say_so():
    assert ComponentsProbe.metadata.requires == {Capability.COMPONENTS}


@pytest.mark.parametrize("options", [{"rounds": 0}, {"batch": 0}, {"steps": 0}, {"warmup": -1}])
def test_impossible_options_are_refused(options: dict[str, Any]):
    with pytest.raises(SpecError):
        ComponentsProbe(options)
