"""The score phase: without the model, never a zero by accident, resumable."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.errors import (
    ProtocolMismatchError,
    RunFailedError,
    RunInterruptedError,
    SpecError,
    UnknownNameError,
)
from harness.ledger import Ledger, read_manifest
from harness.records import Outcome, Response, Sample, TaskStatus, Verdict
from harness.registry import models, tasks
from harness.run import EngineSettings, execute, rescore
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.harness import toys
from tests.harness.conftest import Run
from tests.harness.test_run_invariance import ALL, content


class Scored(toys.ToyTask):
    """A toy whose scorer is changed by the tests."""

    metadata = toys.metadata("toy-scored", toys.Capability.ANSWER)
    defaults: ClassVar[dict[str, Any]] = {"n": 10}
    version: ClassVar[str] = "1"
    template: ClassVar[str] = "Question {id}"
    calls: ClassVar[list[int]] = []

    def request(self, sample: Sample, seed: int) -> Any:
        return toys.AnswerRequest(prompt=sample.key, seed=seed)

    def samples(self) -> Any:
        return (Sample(id=f"s{i}", data={"i": i}) for i in range(self.options["n"]))

    def score_batch(self, pairs: Sequence[tuple[Sample, Response]]) -> list[Outcome]:
        self.calls.append(len(pairs))
        return [self.score(sample, response) for sample, response in pairs]

    def score(self, sample: Sample, response: Response) -> Outcome:
        return Outcome(verdict=Verdict.OK, scores={"accuracy": 1.0})

    def scorer(self) -> toys.Identity:
        return toys.Identity(id="toy", version=self.version)

    def prompt_template(self) -> str:
        return self.template


@pytest.fixture(autouse=True)
def _scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scored, "calls", [])
    tasks().add("toy-scored", Scored)


def counts(folder: Path, task: str = "toy-scored") -> dict[Verdict, int]:
    with Ledger.open(folder) as ledger:
        return {v: n for v, n in ledger.verdict_counts(task).items() if n}


def test_a_run_is_scored_again_without_its_model(run: Run, tmp_path: Path):
    run(*ALL)
    before = content(tmp_path / "run")
    with Ledger.open(tmp_path / "run") as ledger:
        results = ledger.results()
    del models()._added["toy"]
    assert rescore(tmp_path / "run") == results
    assert content(tmp_path / "run") == before


def test_a_new_scorer_gives_new_scores_under_a_new_protocol(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old = run("toy-scored").tasks[0].protocol
    monkeypatch.setattr(Scored, "version", "2")
    monkeypatch.setattr(
        Scored, "score", lambda *_: Outcome(verdict=Verdict.WRONG, scores={"accuracy": 0.0})
    )
    result = rescore(tmp_path / "run")[0]
    new = read_manifest(tmp_path / "run").tasks[0].protocol
    assert result.metrics[0].value == 0.0
    assert result.protocol_hash == new.hash != old.hash
    assert new.scorer.version == "2"
    assert run("toy-scored").tasks[0].protocol == new


def test_a_task_that_asks_other_things_now_is_refused_before_anything_is_lost(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run("toy-scored")
    before = content(tmp_path / "run")
    monkeypatch.setattr(Scored, "template", "Please: {id}")
    with pytest.raises(
        ProtocolMismatchError,
        match=r"prompt_template: 'Question \{id\}' there, 'Please: \{id\}' now",
    ):
        rescore(tmp_path / "run")
    assert content(tmp_path / "run") == before


def test_a_task_that_is_gone_is_named(run: Run, tmp_path: Path):
    run("toy-scored")
    del tasks()._added["toy-scored"]
    with pytest.raises(UnknownNameError, match="toy-scored"):
        rescore(tmp_path / "run")
    assert counts(tmp_path / "run") == {Verdict.OK: 10}


def test_a_failing_scorer_is_judge_failed_with_its_traceback(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def score(self: Any, sample: Sample, response: Response) -> Outcome:
        if sample.data["i"] in (3, 4):
            raise ZeroDivisionError(f"judge died on {sample.id}")
        return Outcome(verdict=Verdict.OK, scores={"accuracy": 1.0})

    monkeypatch.setattr(Scored, "score", score)
    run("toy-scored")
    assert counts(tmp_path / "run") == {Verdict.OK: 8, Verdict.JUDGE_FAILED: 2}
    with Ledger.open(tmp_path / "run") as ledger:
        entry = ledger.sample("toy-scored", "s3")
        result = ledger.results()[0]
    assert entry.outcome is not None
    assert entry.response is not None
    assert entry.outcome.reason.endswith("ZeroDivisionError: judge died on s3")
    assert entry.outcome.scores == {}
    assert result.status is TaskStatus.INCOMPLETE
    assert result.metrics[0].value == 1.0


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Outcome(verdict=Verdict.OK, scores={"accuracy": float("nan")}), "'accuracy' is nan"),
        (Outcome(verdict=Verdict.OK, scores={"accuracy": float("inf")}), "'accuracy' is inf"),
        (Outcome(verdict=Verdict.OK, scores={"accuracy": "1"}), "'accuracy' is '1'"),
        (Outcome(verdict=Verdict.OK, details={"x": object()}), "type object is unsupported"),
        (Outcome(verdict=Verdict.OK, details={"x": "\ud800"}), "surrogates"),
        (None, "got a NoneType"),
        (1.0, "got a float"),
    ],
)
def test_nonsense_from_a_scorer_is_judge_failed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Any, message: str
):
    monkeypatch.setattr(Scored, "score", lambda *_: outcome)
    run("toy-scored", limit=3)
    assert counts(tmp_path / "run") == {Verdict.JUDGE_FAILED: 3}
    with Ledger.open(tmp_path / "run") as ledger:
        for item in ledger.scored("toy-scored"):
            assert re.search(message, item.outcome.reason)


def test_the_wrong_number_of_outcomes_is_judge_failed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Scored, "score_batch", lambda *_: [])
    run("toy-scored", limit=3)
    assert counts(tmp_path / "run") == {Verdict.JUDGE_FAILED: 3}


def test_judge_failures_are_retried_on_request(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as broken:
        broken.setattr(Scored, "score", lambda *_: None)
        run("toy-scored")
    run("toy-scored")
    assert counts(tmp_path / "run") == {Verdict.JUDGE_FAILED: 10}
    run("toy-scored", retry_errors=True)
    assert counts(tmp_path / "run") == {Verdict.OK: 10}


def test_scorers_get_batches(run: Run, tmp_path: Path):
    run("toy-scored", settings=EngineSettings(score_batch=4))
    assert Scored.calls == [4, 4, 2]


def test_scorers_get_pictures_and_everything_else_back(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[Any, ...]] = []

    def score(self: Any, sample: Sample, response: Response) -> Outcome:
        image = response.image
        assert image is not None
        seen.append((image.mode, image.size, image.tobytes() == toys.noise(*key(sample)).tobytes()))
        return Outcome(verdict=Verdict.OK, scores={"accuracy": 1.0})

    def key(sample: Sample) -> tuple[int, int, int]:
        from harness.seeds import sample_seed

        width = 8 if sample.data["i"] % 2 else 12
        return sample_seed(0, "toy-pictures", sample.id, sample.k), width, 8

    monkeypatch.setattr(toys.ToyPictures, "score", score)
    run("toy-pictures", limit=6)
    assert seen == [("RGB", (12, 8), True), ("RGB", (8, 8), True)] * 3


def test_a_missing_response_is_a_missing_verdict(run: Run, tmp_path: Path):
    class Stops(toys.ToyModel):
        def answer(self, requests: Sequence[Any]) -> list[Response]:
            signal.raise_signal(signal.SIGINT)
            return super().answer(requests)

    with pytest.raises(RunInterruptedError):
        run("toy-scored", adapter=Stops(), batch_size=4)
    result = rescore(tmp_path / "run")[0]
    assert result.verdicts == {"missing": 6, "ok": 4}
    assert result.metrics[0].n == 4
    assert run("toy-scored", adapter=toys.ToyModel()).status == "complete"
    assert counts(tmp_path / "run") == {Verdict.OK: 10}


def test_a_broken_aggregation_loses_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as broken:
        broken.setattr(Scored, "aggregate", lambda *_: 1 / 0)
        with pytest.raises(RunFailedError, match=r"division by zero(.|\n)*cheers-bench score"):
            run("toy-scored")
    assert rescore(tmp_path / "run")[0].status is TaskStatus.COMPLETE


def test_probes_are_not_measured_again(run: Run, tmp_path: Path):
    run("toy-probe")
    measured = len(toys.ToyProbe.measured)
    assert rescore(tmp_path / "run")[0].metrics[0].value == 3.0
    assert len(toys.ToyProbe.measured) == measured


def test_a_failing_measurement_is_errored_and_resumable(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    measure = toys.ToyProbe.measure

    def moody(self: Any, adapter: Any, sample: Sample, context: Any) -> Any:
        if sample.id == "m2":
            raise ValueError("no clock")
        if sample.id == "m3":
            return Outcome(verdict=Verdict.OK, scores={"accuracy": float("nan")})
        return measure(self, adapter, sample, context)

    with monkeypatch.context() as broken:
        broken.setattr(toys.ToyProbe, "measure", moody)
        run("toy-probe")
    assert counts(tmp_path / "run", "toy-probe") == {Verdict.OK: 3, Verdict.ERRORED: 2}
    run("toy-probe")
    assert counts(tmp_path / "run", "toy-probe") == {Verdict.OK: 3, Verdict.ERRORED: 2}
    run("toy-probe", retry_errors=True)
    assert counts(tmp_path / "run", "toy-probe") == {Verdict.OK: 5}


def test_a_probe_that_always_fails_stops_the_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(toys.ToyProbe, "measure", lambda *_: 1 / 0)
    with pytest.raises(RunFailedError, match=r"all 5(.|\n)*division by zero"):
        run("toy-probe")


def test_a_probe_gets_its_context(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []

    def measure(self: Any, adapter: Any, sample: Sample, context: Any) -> Outcome:
        seen.append((context.seed, context.limit, context.batch_size, context.folder))
        return Outcome(verdict=Verdict.OK, scores={"accuracy": 1.0})

    monkeypatch.setattr(toys.ToyProbe, "measure", measure)
    run("toy-probe", seed=3, limit=2, batch_size=5)
    assert seen == [(3, 2, 5, tmp_path / "run")] * 2


def test_a_task_under_another_name_is_refused(tmp_path: Path):
    tasks().add("alias", Scored)
    spec = RunSpec(
        tasks=(TaskRef(task="alias"),), model=ModelRef(name="toy"), out=str(tmp_path / "run")
    )
    with pytest.raises(SpecError, match="calls itself 'toy-scored'"):
        execute(spec)


def test_default_statistics_serve_a_toy(run: Run, tmp_path: Path):
    """With the engine's own aggregation instead of the toys'."""

    class Plain(Scored):
        metadata = toys.metadata("toy-plain", toys.Capability.ANSWER)

        def aggregate(self, scored: Any, protocol: Any) -> Any:
            return toys.Task.aggregate(self, scored, protocol)

    tasks().add("toy-plain", Plain)
    run("toy-plain")
    with Ledger.open(tmp_path / "run") as ledger:
        result = ledger.results()[0]
    assert result.metrics[0].value == 1.0
    assert result.total == 10
