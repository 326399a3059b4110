"""probe-serving on a model whose times are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.errors import SpecError
from harness.records import Capability, Outcome, ScoredSample, TaskResult
from harness.task import ProbeContext
from tasks.probes.energy import Meter
from tasks.probes.serving import ServingProbe
from tests.probes.clockwork import Clock, Clockwork

OPTIONS = {"queries": 5, "episodes": 2, "episode_queries": 12, "batch": 4, "fixed_length": False}


def measured(
    model: Clockwork, context: ProbeContext, **options: Any
) -> tuple[ServingProbe, dict[str, Outcome]]:
    probe = ServingProbe({**OPTIONS, **options})
    return probe, {
        sample.id: probe.measure(model, sample, context) for sample in probe.samples_for(model.card)
    }


def result(model: Clockwork, context: ProbeContext, **options: Any) -> TaskResult:
    probe, found = measured(model, context, **options)
    rows = [
        ScoredSample(sample=sample, outcome=found[sample.id])
        for sample in probe.samples_for(model.card)
    ]
    return probe.aggregate(rows, probe.protocol(seed=0))


def values(found: TaskResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in found.metrics}


def test_scenarios_and_capabilities_take_turns():
    ids = [sample.id for sample in ServingProbe(OPTIONS).samples()]
    assert ids[:6] == [
        "answer/single-stream/0", "answer/offline/0", "answer/server/0",
        "generate_image/single-stream/0", "generate_image/offline/0", "generate_image/server/0",
    ]  # fmt: skip
    assert len(ids) == len(set(ids)) == 2 * (5 + 2 + 2)


def test_one_by_one_is_the_model_s_own_time(clock: Clock, context: ProbeContext):
    found = values(result(Clockwork(clock), context))
    for quantile in ("p50", "p90", "p95", "p99"):
        assert found[f"answer_single_stream_latency_{quantile}"] == pytest.approx(3.0)
    assert found["answer_single_stream_ttft_p50"] == pytest.approx(1.0)
    assert found["answer_single_stream_tpot_p50"] == pytest.approx(0.5)
    assert found["generate_image_single_stream_latency_p50"] == pytest.approx(20.0)


def test_all_at_once_gives_the_throughput_of_full_batches(clock: Clock, context: ProbeContext):
    found = values(result(Clockwork(clock), context))
    assert found["answer_offline_requests_per_s"] == pytest.approx(4 / 3)
    assert found["answer_offline_tokens_per_s"] == pytest.approx((5 + 3 * 4) / 3)
    assert found["generate_image_offline_images_per_s"] == pytest.approx(4 / 20)


def test_a_busy_server_is_slower_than_an_idle_one(clock: Clock, context: ProbeContext):
    idle = values(result(Clockwork(clock), context, rate=0.01))
    busy = values(result(Clockwork(clock), context, rate=2.0))
    assert idle["answer_server_latency_p50"] == pytest.approx(3.0)
    assert busy["answer_server_latency_p50"] > 3.5
    assert busy["answer_server_ttft_p50"] > busy["answer_single_stream_ttft_p50"]


def test_the_load_is_a_share_of_the_measured_throughput(clock: Clock, context: ProbeContext):
    _, found = measured(Clockwork(clock), context, load=0.5, scenarios=["server"])
    assert found["answer/server/0"].details["rate"] == pytest.approx(0.5 * 4 / 3)
    assert found["generate_image/server/1"].details["rate"] == pytest.approx(0.5 * 4 / 20)


def test_episodes_have_arrivals_of_their_own_and_repeat(clock: Clock, context: ProbeContext):
    runs = [measured(Clockwork(clock), context, rate=1.0)[1] for _ in range(2)]
    arrivals = [[run[f"answer/server/{n}"].details["arrivals"] for n in range(2)] for run in runs]
    assert arrivals[0] == arrivals[1]
    assert arrivals[0][0] != arrivals[0][1]


def test_a_server_that_falls_behind_is_called_so(clock: Clock, context: ProbeContext):
    notes = [n for n in result(Clockwork(clock), context, rate=50.0).notes if "queue grew" in n]
    assert notes[0].startswith("answer/server: in 2 episodes the queue grew faster")
    assert not [n for n in result(Clockwork(clock), context, rate=0.1).notes if "queue" in n]


def test_bounds_give_goodput(clock: Clock, context: ProbeContext):
    free = values(result(Clockwork(clock), context, rate=0.5))
    bound = values(result(Clockwork(clock), context, rate=0.5, latency_bound=3.001, episodes=1))
    assert "answer_server_goodput" not in free
    assert 0 < bound["answer_server_within_bounds"] < 1
    assert bound["generate_image_server_goodput"] == 0
    assert bound["answer_server_goodput"] == pytest.approx(
        bound["answer_server_within_bounds"] * bound["answer_server_requests_per_s"]
    )


def test_energy_is_that_of_the_counter(
    clock: Clock, context: ProbeContext, monkeypatch: pytest.MonkeyPatch
):
    meter = Meter("rapl", "", lambda: 10 * clock.now)  # ten watts
    monkeypatch.setattr("tasks.probes.serving.find_meter", lambda device: meter)
    found = result(Clockwork(clock), context)
    assert values(found)["answer_offline_joules_per_request"] == pytest.approx(10 * 3 / 4)
    assert found.extra["energy"] == ["rapl"]


def test_energy_that_no_counter_tells_is_no_number(
    clock: Clock, context: ProbeContext, monkeypatch: pytest.MonkeyPatch
):
    meter = Meter("", "not measurable here: nobody counts", None)
    monkeypatch.setattr("tasks.probes.serving.find_meter", lambda device: meter)
    found = result(Clockwork(clock), context)
    assert not [name for name in values(found) if "joules" in name]
    assert found.extra["energy"] == ["not measurable here: nobody counts"]


def test_warm_up_is_thrown_away_for_every_size_of_a_batch(clock: Clock, context: ProbeContext):
    found = values(result(Clockwork(clock, cold=2), context, rate=1.0))
    assert found["answer_single_stream_latency_p99"] == pytest.approx(3.0)
    assert found["answer_server_latency_p99"] < 50


def test_the_last_batch_of_an_episode_is_warmed_up_too(clock: Clock, context: ProbeContext):
    found = values(
        result(Clockwork(clock, cold=2), context, scenarios=["offline"], episode_queries=10)
    )
    assert found["answer_offline_requests_per_s"] == pytest.approx(10 / (3 * 3))  # of 4, 4 and 2


def resumed(
    first: Clockwork, second: Clockwork, context: ProbeContext, **options: Any
) -> TaskResult:
    """Episode 0 by one process, episode 1 by another."""
    probe, before = measured(first, context, **options)
    _, after = measured(second, context, **options)
    rows = [
        ScoredSample(sample=s, outcome=(before if s.id.endswith("/0") else after)[s.id])
        for s in probe.samples_for(first.card)
    ]
    return probe.aggregate(rows, probe.protocol(seed=0))


def test_a_resume_that_measures_another_rate_says_so(clock: Clock, context: ProbeContext):
    class Slower(Clockwork):
        def answer(self, requests: Sequence[Any]) -> Any:
            found = super().answer(requests)
            clock.now += 1.0
            return found

    found = resumed(Clockwork(clock), Slower(clock), context, load=0.5)
    assert found.extra["rates"] == {
        "answer/server": pytest.approx([0.5 * 4 / 3, 0.5 * 4 / 4]),
        "generate_image/server": pytest.approx([0.5 * 4 / 20]),
    }
    (note,) = [note for note in found.notes if "rates" in note]
    assert note.startswith("answer/server: medians mix episodes of 2 rates, 0.5 to 0.6667 requests")


def test_a_given_rate_is_one_after_a_resume(clock: Clock, context: ProbeContext):
    found = resumed(Clockwork(clock), Clockwork(clock), context, rate=0.1)
    assert found.extra["rates"]["answer/server"] == [0.1]
    assert not [note for note in found.notes if "rates" in note]


def test_conditions_are_kept(clock: Clock, context: ProbeContext):
    _, found = measured(Clockwork(clock), context)
    for outcome in found.values():
        assert outcome.details["conditions"]["cpus"] >= 1


def test_a_model_that_only_answers_isn_t_asked_to_draw(clock: Clock, context: ProbeContext):
    class Talker(Clockwork):
        def generate_image(self, requests: Sequence[Any]) -> Any:
            raise AssertionError("asked")

    import msgspec

    model = Talker(clock)
    model.card = msgspec.structs.replace(
        Clockwork.card, capabilities=frozenset({Capability.ANSWER})
    )
    assert set(result(model, context).verdicts) == {"ok"}


@pytest.mark.parametrize(
    "options",
    [
        {"scenarios": []},
        {"scenarios": ["multi-stream"]},
        {"scenarios": ["server", "server"]},
        {"rate": 0},
        {"rate": -1.0},
        {"rate": "fast"},
        {"load": 0.0},
        {"latency_bound": True},
        {"queries": 0},
        {"batch": 0},
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any]):
    with pytest.raises(SpecError):
        ServingProbe(options)
