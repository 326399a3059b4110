"""Adapters that replay responses, and tasks that load judges: what the engine does for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from harness.errors import DataError, NoResponseError, RunFailedError
from harness.ledger import Ledger, read_manifest
from harness.records import AnswerRequest, Request, Response, RunStatus, Sample
from harness.registry import models, tasks
from harness.run import execute, rescore
from harness.runspec import ModelRef, RunSpec, TaskRef
from tests.harness.toys import ToyModel, ToyTask


class Addressed(AnswerRequest, frozen=True, kw_only=True):
    who: str


class Replaying(ToyModel):
    """Has no response to some samples, and a spoilt one to others."""

    seen: list[str]

    def address(self, request: Request, task: str, sample: Sample) -> Request:
        assert isinstance(request, AnswerRequest)
        return Addressed(
            prompt=request.prompt,
            decoding=request.decoding,
            seed=request.seed,
            who=f"{task}/{sample.key}",
        )

    def answer(self, requests: Sequence[Any]) -> list[Response]:
        for request in requests:
            if request.who in ("toy-answers/s3#1", *self.absent):
                raise NoResponseError(f"no file for {request.who}", missing=True)
            if request.who == "toy-answers/s5#0":
                raise NoResponseError(f"the file for {request.who} is spoilt")
        return super().answer(requests)

    absent: tuple[str, ...] = ()


class Judged(ToyTask):
    """Needs a judge that may be absent or broken."""

    calls: list[str]
    broken = ""

    def preflight(self) -> None:
        self.calls.append("preflight")
        if self.broken == "preflight":
            raise DataError("no weights", "fetch them")

    def prepare(self) -> None:
        self.calls.append("prepare")
        if self.broken == "prepare":
            raise ZeroDivisionError("half a judge")

    def score(self, sample: Sample, response: Response) -> Any:
        assert "prepare" in self.calls
        return super().score(sample, response)


Run: TypeAlias = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(Judged, "calls", [], raising=False)
    monkeypatch.setitem(tasks()._added, "toy-answers", Judged)
    monkeypatch.setitem(models()._added, "toy", ToyModel)
    monkeypatch.setitem(models()._added, "replay", Replaying)

    def start(model: str = "toy", out: str = "run", **options: Any) -> Path:
        folder = tmp_path / out
        execute(
            RunSpec(
                tasks=(TaskRef(task="toy-answers", options=options),),
                model=ModelRef(name=model),
                out=str(folder),
            )
        )
        return folder

    return start


def outcomes(folder: Path) -> dict[str, tuple[str, str]]:
    with Ledger.open(folder) as ledger:
        return {
            row.sample.key: (row.outcome.verdict.value, row.outcome.reason)
            for row in ledger.scored("toy-answers")
        }


def test_absent_and_spoilt_responses_are_verdicts_of_their_own(run: Run):
    found = outcomes(run("replay"))
    assert found["s3#1"] == ("missing", "no file for toy-answers/s3#1")
    assert found["s5#0"] == ("errored", "the file for toy-answers/s5#0 is spoilt")
    rest = {verdict for key, (verdict, _) in found.items() if key not in ("s3#1", "s5#0")}
    assert rest == {"ok", "wrong"}
    folder = run("replay")  # once more: asked again, found absent again
    assert outcomes(folder) == found
    rescore(folder)
    assert outcomes(folder) == found


def test_a_run_isnt_given_up_because_responses_are_absent(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    everything = tuple(f"toy-answers/s{i}#{k}" for i in range(20) for k in range(2))
    monkeypatch.setattr(Replaying, "absent", everything)
    folder = run("replay")
    verdicts = [verdict for verdict, _ in outcomes(folder).values()]
    assert verdicts == ["missing"] * 40
    assert read_manifest(folder).status is RunStatus.COMPLETE
    with Ledger.open(folder) as ledger:
        (result,) = ledger.results()
    assert result.metrics[0].value is None


def digests(folder: Path) -> list[str]:
    with Ledger.open(folder) as ledger:
        return [entry.request_digest for entry in ledger.entries("toy-answers")]


def test_addresses_are_no_part_of_the_request(run: Run):
    plain, replayed = digests(run(out="plain")), digests(run("replay", out="replayed"))
    assert plain == replayed
    assert all(plain)


def test_a_judge_is_looked_for_before_and_loaded_after_asking(run: Run):
    run()
    assert Judged.calls == ["preflight", "prepare"]
    run()  # nothing is left to score
    assert Judged.calls == ["preflight", "prepare", "preflight"]


def test_without_its_judge_nothing_is_asked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Judged, "broken", "preflight")
    with pytest.raises(DataError, match="no weights"):
        run()
    assert not (tmp_path / "run").exists()


def test_a_judge_that_cannot_be_loaded_loses_no_response(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = outcomes(run(out="whole"))
    with monkeypatch.context() as patch:
        patch.setattr(Judged, "broken", "prepare")
        with pytest.raises(RunFailedError, match=r"can't be scored(.|\n)*half a judge"):
            run()
        assert read_manifest(tmp_path / "run").status is RunStatus.FAILED
        with pytest.raises(RunFailedError):
            rescore(tmp_path / "whole")
        assert outcomes(tmp_path / "whole") == whole
    rescore(tmp_path / "run")
    assert outcomes(tmp_path / "run") == whole
