"""probe-latency on a model whose times are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.adapter import ModelAdapter
from harness.errors import AdapterError, SpecError
from harness.ledger import Ledger
from harness.records import (
    Capability,
    Response,
    ScoredSample,
    TaskResult,
    Timing,
    Usage,
    Verdict,
)
from harness.registry import models
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.task import ProbeContext
from tasks.probes.latency import LatencyProbe
from tasks.probes.latency_metrics import MEASURED, SIZES, latency_metrics, round_scores
from tests.probes.clockwork import Clock, Clockwork

OPTIONS = {"rounds": 4, "batch_rounds": 3, "batch_sizes": [1, 2], "fixed_length": False}


def measured(
    adapter: ModelAdapter, context: ProbeContext, **options: Any
) -> tuple[LatencyProbe, list[ScoredSample]]:
    probe = LatencyProbe({**OPTIONS, **options})
    rows = [
        ScoredSample(sample=sample, outcome=probe.measure(adapter, sample, context))
        for sample in probe.samples_for(adapter.card)
    ]
    return probe, rows


def result(adapter: ModelAdapter, context: ProbeContext, **options: Any) -> TaskResult:
    probe, rows = measured(adapter, context, **options)
    return probe.aggregate(rows, probe.protocol(seed=0))


def values(found: TaskResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in found.metrics}


# --- the plan ------------------------------------------------------------------------------------


def test_only_declared_capabilities_are_planned():
    planned = {s.data["capability"] for s in LatencyProbe().samples_for(Clockwork.card)}
    assert planned == {"answer", "generate_image", "loglikelihood"}
    assert {s.data["capability"] for s in LatencyProbe().samples()} == set(MEASURED)


def test_every_kind_comes_before_any_kind_comes_twice():
    ids = [sample.id for sample in LatencyProbe(OPTIONS).samples()]
    kinds = len(MEASURED) * 2
    assert len({name.rpartition("/")[0] for name in ids[:kinds]}) == kinds
    assert all(name.endswith("/round0") for name in ids[:kinds])
    assert all(name.endswith("/profile") for name in ids[kinds : 2 * kinds])
    assert all(name.endswith("/round1") for name in ids[2 * kinds : 3 * kinds])
    assert len(ids) == len(set(ids)) == len(MEASURED) * (4 + 3 + 2)


def test_batch_size_one_has_rounds_of_its_own():
    ids = [sample.id for sample in LatencyProbe(OPTIONS).samples()]
    assert "answer/b1/round3" in ids
    assert "answer/b2/round2" in ids
    assert "answer/b2/round3" not in ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_sizes": [1, 3]}, "1, 2, 4, 8, 16, 32"),
        ({"batch_sizes": []}, "give a list"),
        ({"batch_sizes": [True]}, "give a list"),
        ({"batch_sizes": "1,2"}, "give a list"),
        ({"rounds": 0}, "'rounds' is 0"),
        ({"batch_rounds": -1}, "at least 1"),
        ({"warmup": -1}, "at least 0"),
        ({"image_size": 0}, "at least 1"),
        ({"max_new_tokens": 1.5}, "give a int"),
        ({"steps": 0}, "at least 1"),
        ({"round": 3}, "did you mean"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(SpecError, match=message):
        LatencyProbe(options)


# --- one round -----------------------------------------------------------------------------------


def test_an_answer_s_times_are_those_of_the_clock(clock: Clock, context: ProbeContext):
    found = values(result(Clockwork(clock), context))
    assert found["answer_seconds_p50"] == pytest.approx(3.0)
    assert found["answer_ttft_p50"] == 1.0
    assert found["answer_tpot_p50"] == pytest.approx(0.5)
    assert found["answer_tokens_per_s_b1"] == pytest.approx(5 / 3)
    assert found["answer_tokens_per_s_b2"] == pytest.approx((5 + 4) / 3)
    assert found["answer_throughput_b2"] == pytest.approx(2 / 3)


def test_every_round_and_profile_says_under_which_conditions(clock: Clock, context: ProbeContext):
    _, rows = measured(Clockwork(clock), context)
    for row in rows:
        found = row.outcome.details["conditions"]
        assert found["cpus"] >= 1
        assert "gpu" not in found


def test_a_drawing_s_times_are_those_of_the_clock(clock: Clock, context: ProbeContext):
    found = values(result(Clockwork(clock), context))
    assert found["generate_image_seconds_p50"] == pytest.approx(20.0)
    assert found["generate_image_nfe_per_s_b1"] == pytest.approx(1.0)
    assert found["generate_image_nfe_per_s_b2"] == pytest.approx(2.0)
    assert found["loglikelihood_seconds_p99"] == pytest.approx(4.0)


def test_steps_can_be_set(clock: Clock, context: ProbeContext):
    assert values(result(Clockwork(clock), context, steps=3))[
        "generate_image_seconds_p50"
    ] == pytest.approx(6.0)


def test_one_token_has_no_time_per_token(clock: Clock, context: ProbeContext):
    found = values(result(Clockwork(clock, tokens=1), context))
    assert "answer_tpot_p50" not in found
    assert found["answer_ttft_p50"] == 1.0


def test_responses_that_report_nothing_give_only_wall_time():
    scores = round_scores(0.5, [Response(text="a"), Response(text="b")])
    assert scores == {"seconds": 0.5, "throughput": 4.0}


def test_the_first_token_of_some_responses_is_not_that_of_the_batch():
    timed = Response(
        text="a", usage=Usage(completion_tokens=5), timing=Timing(ttft_s=0.1, total_s=0.5)
    )
    untimed = Response(text="b", usage=Usage(completion_tokens=9), timing=Timing(total_s=0.5))
    assert round_scores(0.5, [timed])["tpot"] == pytest.approx(0.1)
    scores = round_scores(0.5, [timed, untimed])
    assert not {"ttft", "tpot"} & set(scores)
    assert scores["tokens_per_s"] == 28


def test_quantiles_are_of_single_requests(clock: Clock, context: ProbeContext):
    # The n-th call of a kind takes n tenths longer; 2 are warm-up, one is the profile's.
    found = values(result(Clockwork(clock, jitter=0.1), context))
    rounds = [4.0 + 0.1 * n for n in (3, 5, 6, 7)]
    assert found["loglikelihood_seconds_p50"] == pytest.approx((rounds[1] + rounds[2]) / 2)
    assert found["loglikelihood_seconds_p90"] == pytest.approx(rounds[2] + 0.7 * 0.1)


# --- warm-up -------------------------------------------------------------------------------------


def test_warm_up_calls_are_thrown_away(clock: Clock, context: ProbeContext):
    model = Clockwork(clock, cold=2)
    assert values(result(model, context))["answer_seconds_p99"] == pytest.approx(3.0)
    assert model.calls["answer", 1] == 2 + 4 + 1
    assert model.calls["answer", 2] == 2 + 3 + 1


def test_too_little_warm_up_shows(clock: Clock, context: ProbeContext):
    found = values(result(Clockwork(clock, cold=2), context, warmup=1))
    assert found["answer_seconds_p99"] > 90


def test_a_resumed_run_warms_up_again(clock: Clock, context: ProbeContext):
    model = Clockwork(clock)
    for _ in range(2):
        probe = LatencyProbe(OPTIONS)
        probe.measure(model, next(iter(probe.samples_for(model.card))), context)
    assert model.calls["draw", 1] == 2 * (2 + 1)


def test_requests_of_a_batch_differ_in_picture_and_seed(clock: Clock, context: ProbeContext):
    model = Clockwork(clock)
    measured(model, context)
    batch = next(r for r in model.seen if len(r) == 2 and r[0].capability is Capability.ANSWER)
    assert batch[0].seed != batch[1].seed
    assert batch[0].images[0].tobytes() != batch[1].images[0].tobytes()
    assert batch[0].decoding == batch[1].decoding


# --- profile -------------------------------------------------------------------------------------


def test_components_have_shares_of_the_wall_time(clock: Clock, context: ProbeContext):
    found = result(Clockwork(clock), context)
    profile = found.extra["profiles"]["answer/b1"]
    assert profile["components"] == {"tower": 0.25 * 3, "llm": (0.125 + 0.5) * 3}
    assert profile["shares"] == {"tower": pytest.approx(0.25), "llm": pytest.approx(0.625)}
    assert profile["memory"]["source"] == "rss"
    assert values(found)["answer_peak_mib_b1"] > 1


def test_a_model_without_components_says_so(clock: Clock, context: ProbeContext):
    class Opaque(Clockwork):
        watch_components = ModelAdapter.watch_components

    _, rows = measured(Opaque(clock), context)
    profiles = [row.outcome for row in rows if row.sample.id.endswith("profile")]
    assert {outcome.reason for outcome in profiles} == {"the adapter watches no components"}
    assert {outcome.verdict for outcome in profiles} == {Verdict.OK}


# --- the result ----------------------------------------------------------------------------------


def test_steady_timings_need_no_note(clock: Clock, context: ProbeContext):
    found = result(Clockwork(clock), context)
    assert found.notes == ()
    assert found.extra["cv"]["answer/b1"] == pytest.approx(0)


def test_noisy_timings_are_called_so(clock: Clock, context: ProbeContext):
    found = result(Clockwork(clock, jitter=1.0), context)
    (note,) = found.notes
    assert note.startswith("too noisy to compare: ")
    assert "answer/b1 (CV " in note


def test_few_rounds_are_called_so(clock: Clock, context: ProbeContext):
    found = result(Clockwork(clock), context, rounds=1, batch_rounds=1)
    (note,) = found.notes
    assert note.startswith("too few rounds to compare: ")
    assert "answer/b1 (1)" in note


def test_what_was_not_measured_has_no_metric(clock: Clock, context: ProbeContext):
    names = list(values(result(Clockwork(clock), context)))
    assert names[0] == LatencyProbe.metadata.primary.name == "generate_image_seconds_p50"
    assert not [name for name in names if name.startswith(("edit", "reconstruct"))]
    assert not [name for name in names if name.endswith("_b8")]


def test_a_model_that_cannot_draw_has_no_primary_value(clock: Clock, context: ProbeContext):
    class Blind(Clockwork):
        card = msgspec.structs.replace(
            Clockwork.card, capabilities=frozenset({Capability.LOGLIKELIHOOD})
        )

    found = result(Blind(clock), context)
    assert found.metrics[0].name == "generate_image_seconds_p50"
    assert found.metrics[0].value is None


def test_metric_names_are_unique_and_declared():
    specs = latency_metrics()
    assert len({spec.name for spec in specs}) == len(specs)
    assert {spec.category for spec in specs} == {
        f"{capability.value}/b{size}" for capability in MEASURED for size in SIZES
    }
    assert all(spec.unit and spec.low == 0 and spec.high is None for spec in specs)


# --- in a run ------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[ModelAdapter], TaskResult]]:
    before = dict(models()._added)

    def go(adapter: ModelAdapter, **options: Any) -> TaskResult:
        models()._added["given"] = lambda: adapter
        task = TaskRef(task="probe-latency", options={**OPTIONS, **options})
        out = tmp_path / "run"
        execute(RunSpec(tasks=(task,), model=ModelRef(name="given"), out=str(out)))
        with Ledger.open(out) as ledger:
            return ledger.results()[0]

    yield go
    models()._added = before


def test_a_batch_that_does_not_fit_is_an_error_and_no_number(clock: Clock, run: Any):
    class Small(Clockwork):
        def answer(self, requests: Sequence[Any]) -> list[Response]:
            if len(requests) > 1:
                raise MemoryError
            return super().answer(requests)

    found = run(Small(clock))
    assert found.verdicts == {"ok": 9 * 2 + 5, "errored": 4}
    assert values(found)["answer_seconds_p50"] == pytest.approx(3.0)
    assert values(found).get("answer_throughput_b2") is None
    assert values(found)["loglikelihood_throughput_b2"] == pytest.approx(0.5)


def test_a_model_that_loses_responses_is_an_error(clock: Clock, context: ProbeContext):
    class Lossy(Clockwork):
        def answer(self, requests: Sequence[Any]) -> list[Response]:
            return super().answer(requests)[1:]

    model, probe = Lossy(clock), LatencyProbe(OPTIONS)
    sample = next(s for s in probe.samples() if s.id == "answer/b2/round0")
    with pytest.raises(AdapterError, match="1 responses to 2 requests"):
        probe.measure(model, sample, context)


def test_a_run_can_be_limited_to_one_round_of_each(clock: Clock, tmp_path: Path):
    before = dict(models()._added)
    models()._added["given"] = lambda: Clockwork(clock)
    task = TaskRef(task="probe-latency", options=OPTIONS, limit=6)
    execute(RunSpec(tasks=(task,), model=ModelRef(name="given"), out=str(tmp_path / "r")))
    models()._added = before
    with Ledger.open(tmp_path / "r") as ledger:
        found = values(ledger.results()[0])
    assert {"answer_throughput_b1", "answer_throughput_b2", "generate_image_nfe_per_s_b2"} <= (
        found.keys()
    )
