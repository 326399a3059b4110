"""Broken data: a clear error or verdict with row and remedy, the rest is scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError, SpecError
from harness.registry import tasks
from tests.understanding.answering import Answering
from tests.understanding.conftest import RunTask
from tests.understanding.synthetic import BENCHMARKS, write_rows

Change = Callable[[list[dict[str, Any]]], None]


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str, Change], Path]:
    def write(task: str, change: Change) -> Path:
        rows = list(BENCHMARKS[task](8))
        change(rows)
        return write_rows(tmp_path / "broken.tsv", rows)

    return write


def test_a_missing_column_stops_the_run_and_names_those_there(run_task: RunTask, broken: Any):
    def drop(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["anwser"] = row.pop("answer")

    with pytest.raises(DataError, match=r"no column 'answer'.*anwser"):
        run_task("mmstar", file=broken("mmstar", drop))


def test_a_broken_picture_spoils_its_own_sample(run_task: RunTask, broken: Any):
    ran = run_task("mmstar", file=broken("mmstar", lambda rows: rows[3].update(image="%%%" * 50)))
    assert ran.verdicts == {"ok": 7, "errored": 1}
    assert "row 3" in ran.reasons()["3#0"]
    assert ran.result.metrics[0].bound_low == pytest.approx(7 / 8)


def test_an_answer_outside_the_options_is_nobodys_fault(run_task: RunTask, broken: Any):
    ran = run_task("mmstar", file=broken("mmstar", lambda rows: rows[3].update(answer="E")))
    assert ran.verdicts == {"ok": 7, "judge_failed": 1}
    assert "row 3" in ran.reasons()["3#0"]
    assert "'E' isn't one of its options A, B, C, D" in ran.reasons()["3#0"]


def test_an_answer_that_is_neither_yes_nor_no(run_task: RunTask, broken: Any):
    ran = run_task("mme", file=broken("mme", lambda rows: rows[0].update(answer="maybe")))
    assert ran.verdicts == {"ok": 55, "judge_failed": 1}
    total = ran.result.metrics[0]
    assert (total.value, total.bound_low, total.bound_high) == (2800, 2700, 2800)


def test_a_row_without_accepted_answers(run_task: RunTask, broken: Any):
    ran = run_task("docvqa", file=broken("docvqa", lambda rows: rows[0].update(answer="[]")))
    assert ran.verdicts == {"ok": 7, "judge_failed": 1}


def test_two_rows_with_one_index_stop_the_run(run_task: RunTask, broken: Any):
    with pytest.raises(DataError, match=r"rows 2 and 5 .* both index '2'"):
        run_task("mmstar", file=broken("mmstar", lambda rows: rows[5].update(index=2)))


def test_rotations_that_lack_are_noted(run_task: RunTask, broken: Any):
    ran = run_task("mmbench", file=broken("mmbench", lambda rows: rows.pop(9)))
    assert ran.values["circular"] == 1
    assert any("1 questions lack rotations" in note and "1" in note for note in ran.result.notes)


def test_an_index_that_is_no_number_has_no_rotations(run_task: RunTask, broken: Any):
    with pytest.raises(DataError, match=r"row 0: index 'q0' is no whole number"):
        run_task("mmbench", file=broken("mmbench", lambda rows: rows[0].update(index="q0")))


def test_a_marker_without_its_picture(run_task: RunTask, broken: Any):
    def mark(rows: list[dict[str, Any]]) -> None:
        rows[3]["question"] += " <image 5>"

    ran = run_task("mmmu", file=broken("mmmu", mark))
    assert ran.verdicts == {"ok": 6, "errored": 1}
    assert "<image 5>" in ran.reasons()["3#0"]


def test_a_huge_answer_is_scored_at_once(run_task: RunTask):
    ran = run_task("mmbench", Answering(lambda task, sample: "A " * 5_000_000), count=1)
    assert sum(ran.verdicts.values()) == 4


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("mmstar", {"extraction": "exakt"}, "unknown extraction 'exakt'"),
        ("mmstar", {"extraction": "judge"}, "needs a judge"),
        ("mmstar", {"judge": "null"}, "extraction is 'exact'"),
        ("mmstar", {"extraction": "judge", "judge": "null", "calibration": 2.0}, "a share"),
        ("mmmu", {"extraction": "loglikelihood"}, "some questions have none"),
        ("mmmu", {"open_answers": "mmu"}, "unknown open_answers"),
    ],
)
def test_options_that_make_no_sense_are_refused(task: str, options: dict[str, Any], message: str):
    with pytest.raises(SpecError, match=message):
        tasks().get(task)(options)


@pytest.mark.parametrize("option", ["prompt", "dataset"])
def test_unknown_prompts_and_data_sets_are_refused(option: str, run_task: RunTask):
    with pytest.raises(SpecError, match=f"unknown {option} 'cheer'"):
        run_task("mmstar", **{option: "cheer"})


def test_a_missing_file_names_the_command_that_brings_it(monkeypatch: Any, tmp_path: Path):
    monkeypatch.setenv("CHEERS_BENCH_DATA", str(tmp_path))
    task = tasks().get("mmbench")()
    with pytest.raises(DataError, match="cheers-bench data pull MMBench_DEV_EN_V11"):
        task.preflight()
    assert task.protocol(0).dataset.name == "MMBench_DEV_EN_V11"


def test_another_file_than_the_demanded_one_is_refused(run_task: RunTask):
    with pytest.raises(DataError, match="has sha256"):
        run_task("mmstar", sha256="0" * 64)


def test_a_suite_says_at_once_which_files_it_lacks(monkeypatch: Any, tmp_path: Path):
    from harness.run import execute
    from harness.runspec import ModelRef, RunSpec

    monkeypatch.setenv("CHEERS_BENCH_DATA", str(tmp_path / "cache"))
    spec = RunSpec(suite="understanding", model=ModelRef(name="null"), out=str(tmp_path / "run"))
    with pytest.raises(DataError, match="15 tasks can't be scored") as caught:
        execute(spec)
    assert "cheers-bench data pull MMBench_DEV_EN_V11" in caught.value.what
    assert "cheers-bench data pull ChartQA_TEST" in caught.value.what
    assert not (tmp_path / "run").exists(), "nothing was begun"


def test_the_suite_runs_from_the_cache_and_nothing_else(monkeypatch: Any, tmp_path: Path):
    """Files that users accepted stand for the official ones, under their own names."""
    from click.testing import CliRunner

    from harness.cli.data_command import command
    from harness.ledger import Ledger
    from harness.run import execute
    from harness.runspec import ModelRef, RunSpec, TaskRef
    from tests.understanding.synthetic import write_benchmark

    monkeypatch.setenv("CHEERS_BENCH_DATA", str(tmp_path / "cache"))
    refs = []
    for task in sorted(BENCHMARKS):
        name = tasks().get(task).metadata.files[0].name
        file = write_benchmark(task, tmp_path, 2)
        done = CliRunner().invoke(command, ["import", name, str(file), "--accept"])
        assert done.exit_code == 0, done.output
        refs.append(TaskRef(task=task, options={"file": f"{name}-file"}))
    spec = RunSpec(
        suite="understanding",
        tasks=tuple(refs),
        model=ModelRef(name="null", args={"answer": "A"}),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    with Ledger.open(tmp_path / "run") as ledger:
        results = {result.task: result for result in ledger.results()}
    assert set(results) == set(BENCHMARKS)
    assert all(r.metrics[0].value is not None for n, r in results.items() if n != "mme")


@pytest.mark.parametrize("rule", ["mmmu", "vlmevalkit"])
def test_an_open_question_without_an_answer_is_nobodys_fault(
    rule: str, run_task: RunTask, broken: Any
):
    file = broken("mmmu", lambda rows: rows[2].update(answer=""))
    ran = run_task(
        "mmmu", Answering(lambda task, sample: "A blue square."), file=file, open_answers=rule
    )
    assert ran.verdicts["judge_failed"] == 1
    assert "row 2 of the data has no accepted answer" in ran.reasons()["2#0"]


def test_a_float_answer_says_its_precision_where_no_column_does(run_task: RunTask, broken: Any):
    def drop(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.pop("precision", None)

    def say(_: str, sample: Any) -> str:
        return "1.53" if sample.target == "1.5" else str(sample.target)

    assert run_task("mathvista", Answering(say), file=broken("mathvista", drop)).verdicts == {
        "ok": 8
    }


@pytest.mark.parametrize("precision", ["two", "inf"])
def test_a_precision_that_is_no_number(precision: str, run_task: RunTask, broken: Any):
    with pytest.raises(DataError, match=f"precision '{precision}' is no number"):
        run_task(
            "mathvista", file=broken("mathvista", lambda rows: rows[2].update(precision=precision))
        )


def test_pictures_are_missed_in_the_column_that_the_table_has(run_task: RunTask, tmp_path: Path):
    """Without a column `image`, files beside the table are pictures too."""
    from tests.understanding.synthetic import picture_file

    rows = [{k: v for k, v in row.items() if k != "image"} for row in BENCHMARKS["scienceqa"](8)]
    for row in rows:
        row["image_path"] = "" if row["index"] == 0 else picture_file(tmp_path, int(row["index"]))
    ran = run_task("scienceqa", file=write_rows(tmp_path / "beside.tsv", rows))
    assert ran.verdicts == {"ok": 7}, ran.reasons()


def test_rotations_are_told_by_indices_that_a_data_frame_made_floats(
    run_task: RunTask, broken: Any
):
    def float_index(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["index"] = f"{row['index']}.0"

    ran = run_task("mmbench", file=broken("mmbench", float_index))
    assert ran.verdicts == {"ok": 32}
    assert ran.values["circular"] == 1
    assert [entry.sample.key for entry in ran.entries][:5] == ["0#0", "0#1", "0#2", "0#3", "1#0"]


def test_a_limit_that_cuts_a_question_is_noted(run_task: RunTask):
    assert any("1 questions lack rotations" in n for n in run_task("mmbench", limit=5).result.notes)
    assert not run_task("mmbench", limit=8).result.notes


def test_a_total_of_mme_that_cant_be_had_says_what_it_lacks(run_task: RunTask):
    ran = run_task("mme", limit=4)
    assert ran.values["total"] is None
    (note,) = ran.result.notes
    assert "no total without" in note
    assert "text_translation" in note
    assert not run_task("mme").result.notes


def test_a_calibration_that_is_no_share_is_refused():
    with pytest.raises(SpecError, match="calibration is None"):
        tasks().get("mmstar")({"extraction": "judge", "judge": "null", "calibration": None})


def test_data_that_are_gone_say_so_when_a_run_is_scored_again_or_continued(
    run_task: RunTask, tmp_path: Path
):
    from harness.run import rescore

    file = write_rows(tmp_path / "gone.tsv", list(BENCHMARKS["mmstar"](8)))
    ran = run_task("mmstar", "null", file=file)
    file.unlink()
    with pytest.raises(DataError, match=r"gone\.tsv"):
        rescore(ran.folder)
    with pytest.raises(DataError, match=r"gone\.tsv"):
        run_task("mmstar", "null", file=file, folder=ran.folder)
