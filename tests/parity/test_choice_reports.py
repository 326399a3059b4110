"""Reports over multiple-choice questions, against VLMEvalKit's and lmms-eval's."""

from __future__ import annotations

import string
from typing import Any

import pytest

from tasks.scoring.lmms_choice import extract_letter
from tasks.scoring.mmbench import MCQRow, MCQVerdict, pair_accuracy, report_accuracy, vanilla_eval
from tasks.scoring.mmstar import mmstar_report
from tasks.scoring.spreadsheet import roundtrip_column

Judged = list[tuple[MCQRow, MCQVerdict]]


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[str | None]]:
    """Options, predictions and answers as they come back from the prediction file."""
    names = [name for name in string.ascii_uppercase if any(name in row for row in rows)]
    return {
        name: roundtrip_column([row.get(name) for row in rows])
        for name in (*names, "prediction", "answer")
    }


def ask_open_questions_as_choices(columns: dict[str, list[str | None]]) -> None:
    """What VLMEvalKit does to MMMU's open questions."""
    for number, option in enumerate(columns["A"]):
        if option is None:
            columns["A"][number] = columns["answer"][number]
            columns["B"][number] = "Other Answers"


def judged_rows(case: dict[str, Any]) -> Judged:
    rows = sorted(case["rows"], key=lambda row: row["index"])
    columns = columns_of(rows)
    mmmu = "MMMU" in case["dataset"]
    if mmmu:
        ask_open_questions_as_choices(columns)
    letters = [name for name in columns if name in string.ascii_uppercase]
    return vanilla_eval(
        MCQRow(
            index=row["index"],
            choices={a: text for a in letters if (text := columns[a][number]) is not None},
            answer="A"
            if mmmu and row["answer"] not in tuple(string.ascii_uppercase)
            else row["answer"],
            prediction=columns["prediction"][number] or "nan",
            split=row.get("split", "none"),
            category=row.get("category"),
            l2_category=row.get("l2-category"),
        )
        for number, row in enumerate(rows)
    )


@pytest.mark.golden_cases("scoring/mcq_reports.jsonl")
def test_choice_hits(case: dict[str, Any]) -> None:
    judged = judged_rows(case)
    assert {str(row.index): int(verdict == "ok") for row, verdict in judged} == case["hit"]


@pytest.mark.golden_cases("scoring/mcq_reports.jsonl")
def test_choice_report(case: dict[str, Any]) -> None:
    judged = judged_rows(case)
    report = report_accuracy(judged)
    if case["dataset"] == "MMVP":
        pairs = pair_accuracy([verdict for _, verdict in judged])
        report = {"none": {"Average": report["none"]["Overall"], "Overall": pairs}}
    assert report.keys() == case["report"].keys()
    for split, expected in case["report"].items():
        assert report[split] == pytest.approx(expected, rel=1e-12), split


@pytest.mark.golden_cases("scoring/mmstar_reports.jsonl")
def test_choice_mmstar_report_of_lmms_eval(case: dict[str, Any]) -> None:
    report = mmstar_report(
        (category, finer, extract_letter(prediction, "ABCD") == answer.strip().upper())
        for category, finer, answer, prediction in case["rows"]
    )
    figures = {**report.per_category, "average": report.average}
    assert figures == pytest.approx(case["lmms_eval"], rel=1e-12)
    assert report.n == len(case["rows"])
