"""Predictions of other toolkits: scored like our own, each for its sample and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner

from harness.cli.import_command import command
from harness.cli.main import main
from harness.errors import AdapterError, SpecError
from harness.ledger import Ledger, read_manifest
from harness.registry import tasks
from tests.understanding.answering import Answering
from tests.understanding.conftest import RunTask
from tests.understanding.synthetic import BENCHMARKS, write_benchmark, write_rows

Rows = list[dict[str, Any]]


def predictions(task: str, say: Callable[[dict[str, Any]], str], count: int = 8) -> Rows:
    """VLMEvalKit's table: the data file's columns without pictures, and `prediction`."""
    rows = [{k: v for k, v in row.items() if k != "image"} for row in BENCHMARKS[task](count)]
    return [{**row, "prediction": say(row)} for row in rows]


def gold(row: dict[str, Any]) -> str:
    return str(row["answer"])


def to_xlsx(path: Path, rows: Rows) -> Path:
    book = openpyxl.Workbook()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    book.active.append(columns)
    for row in rows:
        book.active.append([row.get(name) for name in columns])
    book.save(path)
    return path


def to_lmms_eval(path: Path, task: str, data: Path, say: Callable[[Any], str]) -> Path:
    """lmms-eval's samples of a task whose data file is ours."""
    made = tasks().get(task)({"file": str(data), "prompt": "lmms-eval"})
    lines = []
    for sample in made.samples():
        asked = made.request(sample, 0)
        text = say(sample)
        lines.append(
            {
                "doc_id": sample.data["row"],
                "target": str(sample.target),
                "filtered_resps": text,
                "input": asked.prompt,  # type: ignore[union-attr]
                "doc_hash": "0",
            }
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("task", ["mmbench", "mmstar", "pope", "mme", "scienceqa", "chartqa"])
@pytest.mark.parametrize("form", ["xlsx", "tsv"])
def test_vlmevalkits_predictions_score_like_answers(
    task: str, form: str, run_task: RunTask, tmp_path: Path
):
    rows = predictions(task, gold)
    file = tmp_path / f"model_{task}.{form}"
    (to_xlsx if form == "xlsx" else write_rows)(file, rows)
    ran = run_task(task, "predictions", args={"path": str(file)})
    assert set(ran.verdicts) == {"ok"}, ran.reasons()
    assert ran.result.metrics == run_task(task).result.metrics


def test_lmms_evals_samples_score_like_answers(run_task: RunTask, tmp_path: Path):
    data = write_benchmark("seedbench", tmp_path)
    file = to_lmms_eval(tmp_path / "s.jsonl", "seedbench", data, lambda s: str(s.target))
    ran = run_task("seedbench", "predictions", file=data, args={"path": str(file)})
    assert ran.verdicts == {"ok": 8}


def test_lmms_evals_samples_in_another_order_are_found_by_their_prompts(
    run_task: RunTask, tmp_path: Path
):
    data = write_benchmark("seedbench", tmp_path)
    file = to_lmms_eval(tmp_path / "s.jsonl", "seedbench", data, lambda s: str(s.target))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        line["doc_id"] = 7 - line["doc_id"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = run_task(
        "seedbench", "predictions", file=data, args={"path": str(file)}, prompt="lmms-eval"
    )
    wrongly_matched = [r for r in ran.reasons().values() if r and "isn't" not in r]
    assert not wrongly_matched
    assert ran.verdicts.get("wrong", 0) == 0


def test_raw_responses_win_over_filtered_ones(run_task: RunTask, tmp_path: Path):
    data = write_benchmark("seedbench", tmp_path, 1)
    file = to_lmms_eval(tmp_path / "s.jsonl", "seedbench", data, lambda s: "?")
    line = json.loads(file.read_text())
    line["resps"] = [["The answer is (A)."]]
    file.write_text(json.dumps(line) + "\n")
    ran = run_task("seedbench", "predictions", file=data, args={"path": str(file)})
    assert list(ran.texts().values()) == ["The answer is (A)."]


def test_a_missing_prediction_is_missing_and_bounds_say_so(run_task: RunTask, tmp_path: Path):
    file = write_rows(tmp_path / "p.tsv", predictions("mmstar", gold)[1:])
    ran = run_task("mmstar", "predictions", args={"path": str(file)})
    assert ran.verdicts == {"ok": 7, "missing": 1}
    assert "no row with index 0" in ran.reasons()["0#0"]
    metric = ran.result.metrics[0]
    assert (metric.value, metric.bound_low, metric.bound_high) == (1.0, pytest.approx(7 / 8), 1.0)


def test_predictions_for_other_data_are_refused_one_by_one(run_task: RunTask, tmp_path: Path):
    rows = predictions("mmstar", gold)
    rows[3]["question"] = "something else?"
    file = write_rows(tmp_path / "p.tsv", rows)
    ran = run_task("mmstar", "predictions", args={"path": str(file)})
    assert ran.verdicts == {"ok": 7, "errored": 1}
    assert "it was made for other data" in ran.reasons()["3#0"]


FAILED = "Failed to obtain answer via API."
SOME = {0: FAILED, 1: "", 2: f"error: {FAILED} (3 tries)"}


def with_failures(task: str) -> Rows:
    """Right answers, but for two failed calls and a blank cell in front."""
    rows = predictions(task, lambda row: gold(row).strip("[]").split(",")[0].strip("'"))
    return [{**row, "prediction": SOME.get(i, row["prediction"])} for i, row in enumerate(rows)]


@pytest.mark.parametrize("task", ["mmstar", "chartqa", "textvqa"])
@pytest.mark.parametrize("form", ["xlsx", "tsv"])
def test_failed_calls_and_blank_cells_are_no_answers(
    task: str, form: str, run_task: RunTask, tmp_path: Path
):
    file = tmp_path / f"p.{form}"
    (to_xlsx if form == "xlsx" else write_rows)(file, with_failures(task))
    ran = run_task(task, "predictions", args={"path": str(file)})
    assert ran.verdicts == {"ok": 5, "errored": 2, "missing": 1}
    reasons = sorted(reason for reason in ran.reasons().values() if reason)
    assert f"p.{form} row 0 holds a failed call: '{FAILED}'" in reasons[0]
    assert reasons[1] == f"p.{form} row 1 has no prediction"


def test_on_demand_failures_are_answers_and_the_fingerprint_says_so(
    run_task: RunTask, tmp_path: Path
):
    file = to_xlsx(tmp_path / "p.xlsx", with_failures("chartqa"))
    apart = run_task("chartqa", "predictions", args={"path": str(file)})
    args = {"path": str(file), "failures": "as-answers"}
    theirs = run_task("chartqa", "predictions", args=args)
    assert theirs.verdicts == {"ok": 5, "wrong": 2, "unparsed": 1}
    assert set(theirs.texts().values()) >= set(SOME.values())
    configs = [read_manifest(ran.folder).fingerprint.config for ran in (apart, theirs)]
    assert [config["failures"] for config in configs] == ["apart", "as-answers"]


@pytest.mark.parametrize("form", ["xlsx", "tsv"])
def test_an_answer_that_tables_read_as_no_cell_is_an_answer(
    form: str, run_task: RunTask, tmp_path: Path
):
    file = tmp_path / f"p.{form}"
    rows = predictions("chartqa", lambda row: "None")
    (to_xlsx if form == "xlsx" else write_rows)(file, rows)
    ran = run_task("chartqa", "predictions", args={"path": str(file)})
    assert set(ran.texts().values()) == {"None"}


def test_failures_are_apart_or_answers(tmp_path: Path):
    from harness.registry import models

    file = to_xlsx(tmp_path / "p.xlsx", predictions("mmstar", gold))
    with pytest.raises(SpecError, match="failures='zero' is unknown"):
        models().get("predictions")(str(file), failures="zero")


def test_an_empty_text_in_json_is_an_empty_answer(run_task: RunTask, tmp_path: Path):
    data = write_benchmark("seedbench", tmp_path)
    file = to_lmms_eval(tmp_path / "s.jsonl", "seedbench", data, lambda s: "")
    ran = run_task("seedbench", "predictions", file=data, args={"path": str(file)})
    assert ran.verdicts == {"unparsed": 8}


@pytest.mark.parametrize(("given", "verdict"), [([], "errored"), (["as-answers"], "wrong")])
def test_importing_takes_failures(given: list[str], verdict: str, tmp_path: Path):
    data = write_benchmark("chartqa", tmp_path)
    file = to_xlsx(tmp_path / "p.xlsx", predictions("chartqa", lambda row: FAILED))
    words = [word for value in given for word in ("--model-arg", f"failures={value}")]
    options = ["--task", "chartqa", "--task-option", f"file={data}", *words]
    done = CliRunner().invoke(command, [str(file), "--out", str(tmp_path / "run"), *options])
    assert done.exit_code == 0 or verdict == "errored", done.output
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    assert dict(result.verdicts) == {verdict: 8}


def test_the_fingerprint_is_that_of_the_file(run_task: RunTask, tmp_path: Path):
    hashes = set()
    for letter in "AB":
        file = write_rows(tmp_path / f"{letter}.tsv", predictions("mmstar", lambda _, x=letter: x))
        ran = run_task("mmstar", "predictions", args={"path": str(file)})
        hashes.add(read_manifest(ran.folder).fingerprint.weights_sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "index\tanswer\n1\tA\n", "no column 'prediction'"),
        ("a.tsv", "index\tprediction\n1\tA\n1.0\tB\n", "rows 0 and 1 both have index 1"),
        ("a.jsonl", '{"doc_id": 1}\n', "line 1 lacks doc_id, or resps"),
        ("a.jsonl", "{oops\n", "line 1 is no JSON"),
        ("a.jsonl", "[1]\n", "line 1 holds no object"),
        ("a.jsonl", '{"doc_id": "\udcff"}\n', "line 1 is no JSON: 'utf-8' codec"),
        ("a.jsonl", "[" * 100_000 + "\n", "line 1 is no JSON: maximum recursion"),
        ("a.jsonl", "\n", "holds no prediction"),
        ("a.tsv", "index\tprediction\n", "holds no prediction"),
        ("a.xlsx", "no zip", "is no workbook"),
        ("a.pkl", "x", "isn't|is no file of predictions"),
    ],
)
def test_files_that_are_no_predictions(name: str, content: str, message: str, tmp_path: Path):
    from harness.registry import models

    (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(AdapterError, match=message):
        models().get("predictions")(str(tmp_path / name))


def test_imported_and_own_runs_are_compared_sample_by_sample(
    run_task: RunTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = write_benchmark("mmstar", tmp_path / "own")
    own = run_task("mmstar", Answering(), file=data)
    file = to_xlsx(tmp_path / "theirs.xlsx", predictions("mmstar", lambda row: "A"))
    with pytest.raises(SystemExit) as caught:
        main(
            [
                *("import", str(file), "--task", "mmstar", "--label", "theirs"),
                *("--task-option", f"file={data}", "--out", str(tmp_path / "theirs")),
            ]
        )
    assert not caught.value.code
    assert "mmstar" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["compare", str(own.folder), str(tmp_path / "theirs"), "--format", "json"])
    assert not caught.value.code
    (difference, *_) = json.loads(capsys.readouterr().out)["differences"]
    assert difference["task"] == "mmstar"
    assert difference["difference"] < 0


def test_white_space_that_a_workbook_changes_is_no_other_question(
    run_task: RunTask, tmp_path: Path
):
    rows = predictions("mmstar", gold)
    rows[3]["question"] = rows[3]["question"].replace(" ", " _x000D_\n", 1)
    ran = run_task("mmstar", "predictions", args={"path": str(to_xlsx(tmp_path / "p.xlsx", rows))})
    assert ran.verdicts == {"ok": 8}


def test_lmms_evals_chat_models_were_shown_pictures_without_numbers(
    run_task: RunTask, tmp_path: Path
):
    data = write_benchmark("mmmu", tmp_path)
    file = to_lmms_eval(tmp_path / "s.jsonl", "mmmu", data, lambda s: str(s.target))
    text = file.read_text()
    assert "<image 1>" in text
    file.write_text(text.replace("<image 1>", "<image>").replace("<image 2>", "<image>"))
    ran = run_task("mmmu", "predictions", file=data, args={"path": str(file)})
    assert ran.verdicts == {"ok": 7}, ran.reasons()


def test_a_workbook_with_damaged_sheets_is_named(tmp_path: Path):
    import zipfile

    from harness.registry import models

    whole, damaged = to_xlsx(tmp_path / "a.xlsx", predictions("mmstar", gold)), tmp_path / "b.xlsx"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text[: len(text) // 2] if "sheet1" in name else text)
    with pytest.raises(AdapterError, match=r"b\.xlsx is no workbook"):
        models().get("predictions")(str(damaged))


def test_half_a_character_in_a_prediction_is_a_question_mark(run_task: RunTask, tmp_path: Path):
    data = write_benchmark("seedbench", tmp_path, 1)
    file = to_lmms_eval(tmp_path / "s.jsonl", "seedbench", data, lambda s: "\ud800 (A)")
    ran = run_task("seedbench", "predictions", file=data, args={"path": str(file)})
    assert list(ran.texts().values()) == ["? (A)"]


def test_an_answer_that_looks_like_a_formula_is_text(run_task: RunTask, tmp_path: Path):
    rows = predictions("mmstar", lambda row: f"={row['answer']}")
    ran = run_task("mmstar", "predictions", args={"path": str(to_xlsx(tmp_path / "p.xlsx", rows))})
    assert list(ran.texts().values()) == [row["prediction"] for row in rows]


def test_a_line_with_the_same_question_and_other_options_is_another_samples(
    run_task: RunTask, tmp_path: Path
):
    """lmms-eval's file of SEED-Bench has rows that VLMEvalKit's lacks: numbers mean other rows."""
    rows = list(BENCHMARKS["seedbench"](4))
    for number, row in enumerate(rows):
        row.update(
            question="How many people are there?", A=f"{number}1", B=f"{number}2", answer="A"
        )
    theirs = write_rows(tmp_path / "theirs.tsv", rows)
    ours = write_rows(tmp_path / "ours.tsv", rows[1:])
    file = to_lmms_eval(tmp_path / "s.jsonl", "seedbench", theirs, lambda s: f"mine is {s.id}")
    found = run_task(
        "seedbench", "predictions", file=ours, args={"path": str(file)}, prompt="lmms-eval"
    )
    assert list(found.texts().values()) == ["mine is 1", "mine is 2", "mine is 3"]
    lost = run_task("seedbench", "predictions", file=ours, args={"path": str(file)})
    assert lost.verdicts == {"errored": 3}
    assert all("give the data file that lmms-eval read" in why for why in lost.reasons().values())


@pytest.mark.parametrize(("given", "reminded"), [([], True), (["prompt=vlmevalkit"], False)])
def test_importing_reminds_of_the_prompt_that_the_protocol_will_name(
    given: list[str], reminded: bool, tmp_path: Path
):
    data = write_benchmark("mmstar", tmp_path)
    file = to_xlsx(tmp_path / "p.xlsx", predictions("mmstar", gold))
    options = [word for pair in (f"file={data}", *given) for word in ("--task-option", pair)]
    done = CliRunner().invoke(
        command, [str(file), "--task", "mmstar", "--out", str(tmp_path / "run"), *options]
    )
    assert done.exit_code == 0, done.output
    assert ("asked with prompt=cheers" in done.output) == reminded
