"""MMBench's circular evaluation and its spreadsheets, against VLMEvalKit's."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.scoring.mmbench import CircularReport, MCQRow, circular_report
from tasks.scoring.spreadsheet import roundtrip_column

LETTERS = "ABCD"


def answered_rows(case: dict[str, Any]) -> list[MCQRow]:
    """The rows of the prediction file, as they come back from it."""
    rows = [row for row in case["rows"] if row.get("in_predictions", True)]
    letters = [letter for letter in LETTERS if letter in rows[0]]
    options = {letter: roundtrip_column([row[letter] for row in rows]) for letter in letters}
    predictions = roundtrip_column([row["prediction"] for row in rows])
    return [
        MCQRow(
            index=row["index"],
            choices={
                letter: text for letter in letters if (text := options[letter][number]) is not None
            },
            answer=row["answer"],
            prediction="nan" if prediction is None else prediction,
            split=row["split"],
            category=row["category"],
            l2_category=row["l2-category"],
        )
        for number, (row, prediction) in enumerate(zip(rows, predictions, strict=True))
    ]


def figures(report: CircularReport) -> dict[str, dict[str, float | None]]:
    tables = {
        "vanilla_0": report.vanilla_first,
        "vanilla_all": report.vanilla_all,
        "circular": report.circular,
    }
    return {
        f"{name}_{split}": columns
        for name, table in tables.items()
        for split, columns in table.items()
    }


@pytest.mark.golden_cases("scoring/mmbench_circular.jsonl")
def test_mmbench_circular(case: dict[str, Any]) -> None:
    report = circular_report(answered_rows(case))
    assert {str(index): hit for index, hit in report.hits.items()} == case["hit"]
    assert report.circular == case["acc"]
    assert figures(report) == case["acc_all"]


@pytest.mark.golden_cases("scoring/mmbench_circular.jsonl")
def test_mmbench_circular_verdicts_split_the_misses(case: dict[str, Any]) -> None:
    report = circular_report(answered_rows(case))
    assert set(report.verdicts.values()) <= {"ok", "wrong", "unparsed"}
    misses = sum(verdict != "ok" for verdict in report.verdicts.values())
    assert misses == sum(hit == 0 for hit in case["hit"].values())


@pytest.mark.golden_cases("scoring/vlmevalkit_roundtrip.jsonl")
def test_mmbench_spreadsheet_roundtrip(case: dict[str, Any]) -> None:
    back = ["nan" if cell is None else cell for cell in roundtrip_column(case["predictions"])]
    assert back == case["after_xlsx"]
    assert back == case["after_tsv"]
