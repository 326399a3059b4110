"""probe-tokens: the account, and the count that checks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from harness.adapter import VisionTokens
from harness.errors import SpecError
from harness.records import Capability, Outcome, Response, ScoredSample, Usage, Verdict
from harness.task import ProbeContext
from tasks.probes.tokens import TokensProbe
from tests.probes.clockwork import Clock, Clockwork


@pytest.fixture
def model(clock: Clock) -> Clockwork:
    return Clockwork(clock)


def outcome(model: Any, context: ProbeContext, resolution: str = "64x32") -> Outcome:
    probe = TokensProbe({"resolutions": [resolution]})
    return probe.measure(model, next(probe.samples()), context)


def counting(model: Any, monkeypatch: pytest.MonkeyPatch, tokens: int | None) -> Any:
    monkeypatch.setattr(
        model,
        "answer",
        lambda requests: [Response(text="x", usage=Usage(vision_tokens=tokens)) for _ in requests],
    )
    return model


def test_an_account_that_agrees_is_right(model: Clockwork, context: ProbeContext):
    found = outcome(model, context)
    assert found.verdict is Verdict.OK
    assert found.scores == {
        "compression": 4.0,
        "compression_declared": 4.0,
        "agreement": 1.0,
        "llm_tokens": 16.0,
        "patches": 64.0,
        "latent_cells": 64.0,
        "prefill_gflops": 1.0,
        "kv_cache_mib": 1.0,
        "prefill_saved": pytest.approx(0.8),
        "kv_cache_saved": 0.75,
    }
    assert found.details == {"counted": 16, "latent_grid": (8, 8)}


def test_an_account_that_disagrees_is_wrong_and_names_both(
    model: Any, context: ProbeContext, monkeypatch: pytest.MonkeyPatch
):
    found = outcome(counting(model, monkeypatch, 64), context)
    assert found.verdict is Verdict.WRONG
    assert "says 16 language-model tokens" in found.reason
    assert "64x32 pixels, but 64 entered" in found.reason
    assert found.scores["agreement"] == 0
    assert found.scores["compression"] == 1.0
    assert found.scores["compression_declared"] == 4.0


def test_no_tokens_at_all_have_no_compression(
    model: Any, context: ProbeContext, monkeypatch: pytest.MonkeyPatch
):
    found = outcome(counting(model, monkeypatch, 0), context)
    assert found.verdict is Verdict.WRONG
    assert "compression" not in found.scores


def test_what_is_not_counted_is_not_asserted(
    model: Any, context: ProbeContext, monkeypatch: pytest.MonkeyPatch
):
    found = outcome(counting(model, monkeypatch, None), context)
    assert found.verdict is Verdict.OK
    assert found.reason.startswith("not counted")
    assert "compression" not in found.scores
    assert "agreement" not in found.scores
    assert found.scores["compression_declared"] == 4.0


def test_a_model_that_answers_nothing_is_not_asked(clock: Clock, context: ProbeContext):
    class Silent(Clockwork):
        card = msgspec.structs.replace(
            Clockwork.card, capabilities=frozenset({Capability.VISION_TOKENS})
        )

        def answer(self, requests: Sequence[Any]) -> list[Response]:
            raise AssertionError("asked")

    assert outcome(Silent(clock), context).reason.startswith("not counted")


def test_the_question_shows_a_picture_of_the_resolution(model: Clockwork, context: ProbeContext):
    outcome(model, context, "100x7")
    (request,) = model.seen[-1]
    assert [image.size for image in request.images] == [(100, 7)]
    assert request.decoding.max_new_tokens == 1


def test_what_the_account_leaves_open_has_no_score(clock: Clock, context: ProbeContext):
    class Terse(Clockwork):
        def vision_tokens(self, width: int, height: int) -> VisionTokens:
            return VisionTokens(
                width=width, height=height, latent_grid=None, patches=64, llm_tokens=16
            )

    found = outcome(Terse(clock), context)
    assert set(found.scores) == {
        "compression", "compression_declared", "agreement", "llm_tokens", "patches",
    }  # fmt: skip


def test_metrics_are_means_over_resolutions(clock: Clock, context: ProbeContext):
    probe, model = TokensProbe(), Prefilling(clock)
    rows = [
        ScoredSample(sample=sample, outcome=probe.measure(model, sample, context))
        for sample in probe.samples()
    ]
    found = probe.aggregate(rows, probe.protocol(seed=0))
    assert found.metrics[0].name == "compression"
    assert found.metrics[0].value == 4.0
    assert found.metrics[0].n == 5
    scores = set().union(*(row.outcome.scores for row in rows))
    assert {spec.score for spec in probe.metadata.metrics} == scores


@pytest.mark.parametrize(
    "resolutions", [[], "64x64", ["64"], ["0x64"], ["64x64", "64x64"], [64], ["64x64 "], [None]]
)
def test_impossible_resolutions_are_refused(resolutions: Any):
    with pytest.raises(SpecError, match="resolution"):
        TokensProbe({"resolutions": resolutions})


class Prefilling(Clockwork):
    """A prefill takes a millisecond and one per token, the first of each size ten seconds more."""

    def prefill(self, tokens: int) -> int:
        self.calls["prefill", tokens] += 1
        cold = 10.0 if self.calls["prefill", tokens] == 1 else 0.0
        self.clock.now += cold + 1e-3 * (1 + tokens)
        return 512 * tokens


def test_the_compression_is_measured_in_time_and_bytes(clock: Clock, context: ProbeContext):
    model = Prefilling(clock)
    found = outcome(model, context).scores
    assert found["prefill_s"] == pytest.approx(0.017)
    assert found["prefill_s_uncompressed"] == pytest.approx(0.065)
    assert found["prefill_ratio"] == pytest.approx(65 / 17)
    assert found["kv_cache_ratio"] == 4
    assert model.calls["prefill", 16] == model.calls["prefill", 64] == 1 + 5


def test_measured_prefills_say_under_which_conditions(clock: Clock, context: ProbeContext):
    assert outcome(Prefilling(clock), context).details["conditions"]["cpus"] >= 1
    assert "conditions" not in outcome(Clockwork(clock), context).details  # nothing was timed


def test_a_model_that_slows_down_halfway_keeps_its_ratio(clock: Clock, context: ProbeContext):
    class Slowing(Prefilling):
        def prefill(self, tokens: int) -> int:
            before = self.clock.now
            filled = super().prefill(tokens)
            if self.calls["prefill", tokens] > 3:
                self.clock.now += 2 * (self.clock.now - before)
            return filled

    assert outcome(Slowing(clock), context).scores["prefill_ratio"] == pytest.approx(65 / 17)
