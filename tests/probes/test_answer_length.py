"""Answers of one length, so that a terse model isn't taken for a fast one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from harness.errors import CapabilityError, SpecError
from harness.records import AnswerRequest, Capability, Response, ScoredSample, TaskResult, Usage
from harness.task import ProbeContext
from tasks.probes.bench import Bench
from tasks.probes.capability_probe import CapabilityProbe
from tasks.probes.components import ComponentsProbe
from tasks.probes.inputs import Workload
from tasks.probes.latency import LatencyProbe
from tasks.probes.serving import ServingProbe
from tests.probes.clockwork import Clock, Clockwork

SMALL = {
    LatencyProbe: {"rounds": 3, "batch_rounds": 3, "batch_sizes": [1, 2]},
    ServingProbe: {"queries": 3, "episodes": 3, "episode_queries": 4, "batch": 2, "rate": 1.0},
}


class Free(Clockwork):
    """Answers as it likes, whatever is asked for; says nothing of it."""

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        free = [replace(r, decoding=replace(r.decoding, min_new_tokens=0)) for r in requests]
        return super().answer(free)


class Refusing(Clockwork):
    """Can't hold answers to a length, and says so."""

    refused = 0

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        if requests[0].decoding.min_new_tokens:
            self.refused += 1
            raise CapabilityError("no least length", "ask without")
        return super().answer(requests)


def result(
    kind: type[CapabilityProbe], model: Clockwork, context: ProbeContext, **options: Any
) -> TaskResult:
    probe = kind({**SMALL[kind], **options})
    rows = [
        ScoredSample(sample=sample, outcome=probe.measure(model, sample, context))
        for sample in probe.samples_for(model.card)
    ]
    return probe.aggregate(rows, probe.protocol(seed=0))


def values(found: TaskResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in found.metrics}


def length_notes(found: TaskResult) -> list[str]:
    return [note for note in found.notes if "terse" in note]


def test_a_terse_model_is_timed_over_as_many_tokens_as_others(clock: Clock, context: ProbeContext):
    found = result(LatencyProbe, Clockwork(clock, tokens=1), context)
    assert values(found)["answer_completion_tokens_b2"] == 32
    assert values(found)["answer_seconds_p50"] == pytest.approx(1 + 0.5 * 31)
    assert values(found)["answer_tpot_p50"] == pytest.approx(0.5)
    assert length_notes(found) == []


def test_served_answers_have_one_length(clock: Clock, context: ProbeContext):
    found = result(ServingProbe, Clockwork(clock, tokens=1), context, max_new_tokens=7)
    for scenario in ("single_stream", "offline", "server"):
        assert values(found)[f"answer_{scenario}_completion_tokens"] == 7
    assert values(found)["answer_single_stream_latency_p50"] == pytest.approx(4.0)
    assert length_notes(found) == []


@pytest.mark.parametrize("kind", [Free, Refusing])
def test_who_can_t_be_held_to_a_length_is_measured_with_a_note(
    clock: Clock, context: ProbeContext, kind: type[Clockwork]
):
    found = result(LatencyProbe, kind(clock, tokens=5), context)
    assert values(found)["answer_completion_tokens_b1"] == 5
    assert values(found)["answer_seconds_p50"] == pytest.approx(3.0)
    (note,) = length_notes(found)
    assert note.startswith("answers not held to 32 tokens, so that a terse model looks fast: ")
    assert note.endswith(": answer/b1 (5), answer/b2 (4 to 5)")
    served = result(ServingProbe, kind(clock, tokens=5), context)
    (note,) = length_notes(served)
    assert note.endswith(
        "answer/single-stream (5), answer/offline (4 to 5), answer/server (4 to 5)"
    )


def test_a_refusal_is_asked_for_once_and_never_timed(clock: Clock, context: ProbeContext):
    model = Refusing(clock)
    result(LatencyProbe, model, context, warmup=0)
    assert model.refused == 1


def test_another_refusal_isn_t_taken_for_one_of_the_length(clock: Clock):
    class Unable(Clockwork):
        def answer(self, requests: Sequence[Any]) -> list[Response]:
            raise CapabilityError("no answers at all", "")

    load = Workload(image_size=8, max_new_tokens=3, fixed_length=True, steps=None)
    with pytest.raises(CapabilityError, match="at all"):
        Bench(Unable(clock)).time([load.request(Capability.ANSWER, 0, 0)])


def test_uncounted_answers_are_called_so(clock: Clock, context: ProbeContext):
    class Mute(Clockwork):
        def answer(self, requests: Sequence[Any]) -> list[Response]:
            return [Response(text="x", usage=Usage()) for _ in super().answer(requests)]

    found = result(LatencyProbe, Mute(clock), context)
    assert "answer_completion_tokens_b1" not in values(found)
    assert "answer/b1 (not counted)" in length_notes(found)[0]


@pytest.mark.parametrize("kind", [LatencyProbe, ServingProbe, ComponentsProbe])
def test_the_protocol_tells_the_length(kind: type[CapabilityProbe]):
    fixed, free = kind({"max_new_tokens": 9}), kind({"max_new_tokens": 9, "fixed_length": False})
    assert fixed.decoding()["min_new_tokens"] == fixed.decoding()["max_new_tokens"] == 9
    assert "min_new_tokens" not in free.decoding()
    assert fixed.protocol(seed=0).hash != free.protocol(seed=0).hash


def test_a_free_length_is_nobody_s_surprise(clock: Clock, context: ProbeContext):
    found = result(LatencyProbe, Clockwork(clock, tokens=5), context, fixed_length=False)
    assert values(found)["answer_completion_tokens_b2"] == 4.5
    assert length_notes(found) == []


def test_requests_ask_for_the_length_only_where_it_is_fixed():
    fixed = Workload(image_size=8, max_new_tokens=3, fixed_length=True, steps=None)
    free = Workload(image_size=8, max_new_tokens=3, steps=None)
    asked = [load.request(Capability.ANSWER, 0, 0) for load in (fixed, free)]
    assert all(isinstance(request, AnswerRequest) for request in asked)
    assert [request.decoding.min_new_tokens for request in asked] == [3, 0]


@pytest.mark.parametrize("given", [1, "fixed", None])
def test_a_length_is_fixed_or_not(given: Any):
    with pytest.raises(SpecError, match="'fixed_length' is"):
        LatencyProbe({"fixed_length": given})
