"""Parity of two backends: shares, distances and refusals against values counted by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import main
from harness.conformance import Tolerance
from harness.errors import LedgerError, ProtocolMismatchError, UnknownNameError
from harness.ledger import Ledger
from harness.parity import Weights, measure_parity, render
from harness.parity.pairs import difference_said, likenesses
from harness.records import FinishReason, Request, Response, Sample, Usage
from harness.registry import models, tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.harness.toys import ToyLikelihoods, ToyModel, ToyPictures, ToyTask, noise

STRICT = Tolerance(nats=0.0, levels=0)


class Drifting(ToyModel):
    """The toy model in a backend that differs for every `every`-th sample."""

    def __init__(self, *, every: int = 0, by: float = 0.25, weights: str = "w0") -> None:
        super().__init__(weights=weights)
        self.every, self.by = every, by
        self.known: dict[int, int] = {}

    def address(self, request: Request, task: str, sample: Sample) -> Request:
        self.known[request.seed] = sample.data["i"]
        return request

    def drifts(self, request: Any) -> bool:
        return bool(self.every) and self.known[request.seed] % self.every == 0

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        said = super().answer(requests)
        for n, request in enumerate(requests):
            if self.known[request.seed] == 7 and self.every:
                raise RuntimeError("this backend can't")
            usage = Usage(prompt_tokens=9 + self.drifts(request), vision_tokens=4)
            text = f" {said[n].text}\n" if not self.drifts(request) else f"{said[n].text}!"
            reason = FinishReason.LENGTH if self.drifts(request) else FinishReason.STOP
            said[n] = Response(text=text, usage=usage, finish_reason=reason)
        return said

    def generate_image(self, requests: Sequence[Any]) -> list[Response]:
        drawn = super().generate_image(requests)
        return [
            Response(image=r.image.point(lambda v: min(v + 3, 255))) if self.drifts(q) else r
            for q, r in zip(requests, drawn, strict=True)
        ]

    def loglikelihood(self, requests: Sequence[Any]) -> list[Response]:
        return [
            Response(loglikelihoods=(-1.0, -2.0 - self.by * self.drifts(r), -math.inf))
            for r in requests
        ]


class Other(ToyTask):
    """Asks something else under the same protocol: its data aren't pinned."""

    def request(self, sample: Sample, seed: int) -> Request:
        import msgspec

        return msgspec.structs.replace(super().request(sample, seed), prompt="something else")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    for task in (ToyTask, ToyPictures, ToyLikelihoods):
        monkeypatch.setitem(tasks()._added, task.metadata.name, task)
    monkeypatch.setitem(models()._added, "toy", Drifting)

    def run(label: str, *names: str, n: int = 40, seed: int = 0, **args: Any) -> Path:
        out = tmp_path / label
        refs = tuple(TaskRef(task=name, options={"n": n}) for name in names or ("toy-answers",))
        model = ModelRef(name="toy", args=args, label=label)
        execute(RunSpec(tasks=refs, model=model, seed=seed, out=str(out)))
        return out

    return run


def measures(task: Any) -> dict[str, float]:
    return {one.metric.name: one.value.value for one in task.measures}


def test_a_backend_agrees_with_itself(ran: Callable[..., Path]):
    one = ran("one", "toy-answers", "toy-pictures", "toy-likelihoods")
    two = ran("two", "toy-answers", "toy-pictures", "toy-likelihoods")
    found = measure_parity(one, two, tolerance=STRICT)
    assert found.weights is Weights.EQUAL
    assert [task.agreed for task in found.tasks] == [1, 1, 1]
    assert all(task.apart == () and task.samples == 40 for task in found.tasks)
    assert all(d.difference == 0 for task in found.tasks for d in task.differences)
    assert all(measures(task)["identical"] == 1 for task in found.tasks)


def test_answers_that_differ_are_counted_with_their_clusters(ran: Callable[..., Path]):
    # Every fifth of 40 answers differs; sample 7, which isn't one of them, has no answer.
    (task,) = measure_parity(ran("one"), ran("two", every=5)).tasks
    assert (task.samples, task.only_first, task.only_second, task.neither) == (39, 1, 0, 0)
    found = measures(task)
    assert found["agreed"] == pytest.approx(31 / 39)
    assert found["identical"] == pytest.approx(31 / 39)
    assert found["same_finish"] == found["same_prompt_tokens"] == pytest.approx(31 / 39)
    assert found["same_vision_tokens"] == found["same_verdict"] == 1
    # `1234 ✓ xxx` behind a space against itself without: nothing is common from the start.
    assert found["common_start"] == 0
    agreed = task.measures[0].value
    assert agreed.low < agreed.value < agreed.high
    assert agreed.clusters == 20
    assert [one.id for one in task.apart] == [f"s{i // 2}" for i in range(0, 40, 5)]
    assert all(one.same_verdict for one in task.apart)


def test_log_likelihoods_in_nats(ran: Callable[..., Path]):
    runs = ran("one", "toy-likelihoods"), ran("two", "toy-likelihoods", every=4, by=0.25)
    (task,) = measure_parity(*runs).tasks
    found = measures(task)
    # A quarter of the samples moves one of three continuations down by 0.25 nats.
    assert found["agreed"] == 0.75
    assert found["nats_shift"] == pytest.approx(-0.25 / 3 / 4)
    assert found["nats_apart"] == pytest.approx(0.25 / 3 / 4)
    assert found["same_choice"] == 1
    far = next(one for one in task.measures if one.metric.name == "nats_apart")
    assert far.largest == pytest.approx(0.25 / 3)
    assert far.sample == "s0#0"
    assert measure_parity(*runs, tolerance=Tolerance(nats=0.26)).tasks[0].agreed == 1


def test_another_likeliest_continuation_is_seen(ran: Callable[..., Path]):
    runs = ran("one", "toy-likelihoods"), ran("two", "toy-likelihoods", every=4, by=-1.5)
    assert measures(measure_parity(*runs).tasks[0])["same_choice"] == 0.75


def test_pictures_in_levels(ran: Callable[..., Path]):
    runs = ran("one", "toy-pictures"), ran("two", "toy-pictures", every=8)
    (task,) = measure_parity(*runs).tasks
    found = measures(task)
    assert found["agreed"] == found["identical"] == pytest.approx(1 - 5 / 40)
    assert 0 < found["levels_apart"] <= 3 / 8
    assert measure_parity(*runs, tolerance=Tolerance(levels=3)).tasks[0].agreed == 1


def test_weights_that_differ_or_are_unknown_are_named(ran: Callable[..., Path]):
    one, two = ran("one"), ran("two", weights="w1")
    found = measure_parity(one, two)
    assert found.weights is Weights.DIFFERENT
    assert "isn't about the backends alone" in render(found, "md")


def test_what_cannot_be_compared_is_skipped_or_refused(
    ran: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    one, seeded = ran("one", "toy-answers", "toy-pictures"), ran("seeded", seed=1)
    found = measure_parity(one, seeded)
    assert found.tasks == ()
    assert [s.reason.partition(":")[0] for s in found.skipped] == [
        "other protocol",
        "only the first run has it",
    ]
    with pytest.raises(UnknownNameError, match="neither run has a task 'toy'"):
        measure_parity(one, seeded, tasks=["toy"])
    monkeypatch.setitem(tasks()._added, "toy-answers", Other)
    with pytest.raises(ProtocolMismatchError, match=r"sample s0#0 .* was asked otherwise"):
        measure_parity(one, ran("other"))


def test_a_lost_picture_is_named(ran: Callable[..., Path]):
    one, two = ran("one", "toy-pictures"), ran("two", "toy-pictures")
    with Ledger.open(two) as ledger:
        path = next(ledger.entries("toy-pictures")).response.image_path
    (two / path).unlink()
    with pytest.raises(LedgerError, match=Path(path).name):
        measure_parity(one, two)


@pytest.mark.parametrize(
    ("first", "second", "common"), [("abcd", "abxx", 0.5), ("", "x", 0.0), ("ab", "ab cd", 0.4)]
)
def test_where_two_texts_part(first: str, second: str, common: float):
    found = likenesses(Response(text=first), Response(text=second), "differs")
    assert found["common_start"] == common
    assert found["agreed"] == 0


def test_infinite_log_likelihoods_have_no_distance_but_a_choice():
    one = Response(loglikelihoods=(-1.0, -math.inf), is_greedy=(True, False))
    other = Response(loglikelihoods=(-math.inf, -1.0), is_greedy=(False, True))
    found = likenesses(one, other, difference_said(one, other, Tolerance()))
    assert found == {"agreed": 0, "identical": 0, "same_choice": 0, "same_greedy": 0}


def test_pictures_of_two_sizes_have_no_distance():
    one, other = Response(image=noise(1, 4, 4)), Response(image=noise(1, 4, 5))
    said = difference_said(one, other, Tolerance())
    assert likenesses(one, other, said) == {"agreed": 0, "identical": 0}


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def test_the_command_shows_writes_and_demands(
    ran: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    one, two = ran("one|<b>"), ran("two", every=5)
    assert call("parity", one, two) == 0
    shown = capsys.readouterr().out
    assert "| agreed | 79.5 |" in shown
    assert "one\\|\\<b\\>" in shown
    assert "1 answered by the first alone" in shown
    assert call("parity", one, two, "--least", "0.9") == 1
    assert "79.5% of responses are equal" in capsys.readouterr().err
    assert call("parity", one, two, "--least", "0.7") == 0
    assert call("parity", one, ran("seeded", seed=1), "--least", "0.7") == 1
    target = tmp_path / "parity.json"
    assert call("parity", one, two, "--format", "json", "--output", target) == 0
    found = json.loads(target.read_text())
    assert len(found["tasks"][0]["apart"]) == 8
