"""One set of responses, two rules: asked once and scored twice is what two runs would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import main
from harness.errors import LedgerError, NoResponseError, ProtocolMismatchError, SpecError
from harness.ledger import Ledger, read_manifest
from harness.records import RunStatus, TaskStatus, Verdict
from harness.run import execute, score_otherwise
from harness.runspec import TaskRef
from tests.harness import toys
from tests.harness.conftest import Run
from tests.harness.test_run_invariance import ALL, content

TASK = "toy-answers"
OTHER = {TASK: {"scorer": "2"}}


def test_it_is_the_run_that_would_have_been_made_with_these_options(run: Run, tmp_path: Path):
    run(TASK)
    run(TaskRef(task=TASK, options={"scorer": "2"}), out="asked-again")
    made = score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    asked = read_manifest(tmp_path / "asked-again")
    assert content(tmp_path / "other") == content(tmp_path / "asked-again")
    assert made.tasks == asked.tasks
    assert (made.run_id, made.status) == (asked.run_id, RunStatus.COMPLETE)
    with Ledger.open(tmp_path / "other") as other, Ledger.open(tmp_path / "asked-again") as again:
        assert other.results() == again.results()


def test_the_first_run_stays_as_it_was(run: Run, tmp_path: Path):
    run(*ALL)
    before = content(tmp_path / "run")
    score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    assert content(tmp_path / "run") == before


def test_the_model_is_not_needed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run(TASK)
    monkeypatch.delattr(toys.ToyModel, "answer")
    assert score_otherwise(tmp_path / "run", tmp_path / "other", OTHER).model.name == "toy"


def test_pictures_are_shared(run: Run, tmp_path: Path):
    run("toy-pictures")
    score_otherwise(tmp_path / "run", tmp_path / "other", {"toy-pictures": {"scorer": "2"}})
    with Ledger.open(tmp_path / "other") as ledger:
        paths = [entry.response.image_path for entry in ledger.entries("toy-pictures")]
    assert len(paths) == 40
    for path in paths:
        assert (tmp_path / "other" / path).samefile(tmp_path / "run" / path)


def test_pictures_are_copied_where_they_cant_be_linked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run("toy-pictures")
    monkeypatch.setattr("os.link", _other_file_system)
    score_otherwise(tmp_path / "run", tmp_path / "other", {"toy-pictures": {"scorer": "2"}})
    assert len(list((tmp_path / "other").rglob("*.png"))) == 40
    with Ledger.open(tmp_path / "other") as ledger:
        assert ledger.verdict_counts("toy-pictures")[Verdict.MISSING] == 0


def _other_file_system(*_: Any) -> None:
    raise OSError(18, "Invalid cross-device link")


def test_a_picture_that_is_gone_is_missing(run: Run, tmp_path: Path):
    run("toy-pictures")
    next((tmp_path / "run").rglob("*.png")).unlink()
    score_otherwise(tmp_path / "run", tmp_path / "other", {"toy-pictures": {"scorer": "2"}})
    with Ledger.open(tmp_path / "other") as ledger:
        assert ledger.verdict_counts("toy-pictures")[Verdict.MISSING] == 1


class Failing(toys.ToyModel):
    """Fails on one sample and has nothing for another."""

    def answer(self, requests: Any) -> Any:
        for request in requests:
            if "s3 #1" in request.prompt:
                raise ValueError("boom")
            if "s4 #0" in request.prompt:
                raise NoResponseError("no file", missing=True)
        return super().answer(requests)


def test_what_failed_and_what_is_missing_stay_so(run: Run, tmp_path: Path):
    run(TASK, adapter=Failing())
    score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    with Ledger.open(tmp_path / "other") as ledger:
        found = {key: ledger.sample(TASK, *key).outcome for key in (("s3", 1), ("s4", 0))}
        result = ledger.results()[0]
    assert found["s3", 1].verdict is Verdict.ERRORED
    assert "boom" in found["s3", 1].reason
    assert found["s4", 0].verdict is Verdict.MISSING
    assert result.status is TaskStatus.INCOMPLETE


def test_tasks_that_nothing_changes_are_left_out(run: Run, tmp_path: Path):
    run(*ALL)
    made = score_otherwise(tmp_path / "run", tmp_path / "other", {**OTHER, "geneval": {}})
    assert [plan.task for plan in made.tasks] == [TASK]


@pytest.mark.parametrize("options", [{}, {TASK: {"scorer": "1"}}, {"toy-answrs": {"scorer": "2"}}])
def test_rules_that_change_nothing_are_refused(run: Run, tmp_path: Path, options: Any):
    run(TASK)
    with pytest.raises(SpecError, match="by the rules that it was scored by"):
        score_otherwise(tmp_path / "run", tmp_path / "other", options)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 41}, r"other samples .* sample s20#0 is in one of them alone"),
        ({"n": 39}, r"other samples .* sample s19#1 is in one of them alone"),
        ({"prefix": "t"}, r"sample s0#0 differs:\n  id: 's0' there, 't0' now"),
    ],
)
def test_options_that_change_the_samples_are_refused(
    run: Run, tmp_path: Path, options: Any, message: str
):
    run(TASK)
    with pytest.raises(ProtocolMismatchError, match=message):
        score_otherwise(tmp_path / "run", tmp_path / "other", {TASK: options})
    assert not (tmp_path / "other").exists()


class Asks(toys.ToyTask):
    """Has an option of what is asked, besides one of how it's scored."""

    metadata = toys.metadata("toy-asks", toys.Capability.ANSWER)
    defaults = {**toys.ToyTask.defaults, "please": False}  # noqa: RUF012

    def request(self, sample: Any, seed: int) -> Any:
        asked = super().request(sample, seed)
        if not self.options["please"]:
            return asked
        return toys.AnswerRequest(prompt=f"{asked.prompt} Please.", seed=seed)


def test_options_that_change_what_is_asked_are_refused(run: Run, tmp_path: Path):
    from harness.registry import tasks

    tasks().add("toy-asks", Asks)
    run("toy-asks")
    with pytest.raises(ProtocolMismatchError, match=r"than the response to sample s0#0 answers"):
        score_otherwise(tmp_path / "run", tmp_path / "other", {"toy-asks": {"please": True}})
    assert not (tmp_path / "other").exists()


def test_the_same_call_resumes_and_another_is_refused(run: Run, tmp_path: Path):
    run(TASK)
    score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    before = content(tmp_path / "other")
    score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    assert content(tmp_path / "other") == before
    with pytest.raises(ProtocolMismatchError, match="holds another run"):
        score_otherwise(tmp_path / "run", tmp_path / "other", {TASK: {"scorer": "3"}})


def test_a_scorer_that_dies_leaves_a_run_to_resume(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run(TASK)
    with monkeypatch.context() as broken:
        broken.setattr(toys.ToyTask, "aggregate", _dies)
        with pytest.raises(Exception, match="failed to aggregate"):
            score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    assert read_manifest(tmp_path / "other").status is RunStatus.FAILED
    score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    assert read_manifest(tmp_path / "other").status is RunStatus.COMPLETE


def _dies(*_: Any) -> None:
    raise ZeroDivisionError


def test_it_goes_on_as_a_run_of_its_own(run: Run, spec: Any, tmp_path: Path):
    """What the first run lacks can be asked later, under the new rules."""
    run(TASK, adapter=Failing())
    score_otherwise(tmp_path / "run", tmp_path / "other", OTHER)
    wanted = spec(
        TaskRef(task=TASK, options={"scorer": "2"}), out="other", model="given", retry_errors=True
    )
    from harness.registry import models

    models()._added["given"] = Failing
    execute(wanted)
    assert read_manifest(tmp_path / "other").status is RunStatus.COMPLETE


def _command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_the_command(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run(TASK)
    folder, out = str(tmp_path / "run"), str(tmp_path / "other")
    assert _command("score", folder, "--out", out, "--task-option", f"{TASK}.scorer='2'") == 0
    assert TASK in capsys.readouterr().out
    assert read_manifest(out).tasks[0].options == {"scorer": "2"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "smoke"], "takes one run and --out"),
        (["--out", "x", "--task-option", "toy-answrs.scorer=2"], "no --task 'toy-answrs'"),
        (["--out", "x", "--suite", "smok"], "did you mean 'smoke'"),
        (["--out", "x"], "--out needs --task"),
    ],
)
def test_commands_that_make_no_sense(
    run: Run, tmp_path: Path, arguments: list[str], message: str, capsys: Any
):
    run(TASK)
    assert _command("score", str(tmp_path / "run"), *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_run(tmp_path: Path):
    with pytest.raises(LedgerError):
        score_otherwise(tmp_path, tmp_path / "other", OTHER)
