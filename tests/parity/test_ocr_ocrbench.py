"""OCRBench's containment and totals, against VLMEvalKit's and lmms-eval's."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from tasks.scoring.ocr import OCRBenchReport, OCRBenchVariant, ocrbench_correct, ocrbench_report


@pytest.mark.golden_cases("scoring/ocrbench.jsonl")
@pytest.mark.parametrize("variant", ["vlmevalkit", "lmms_eval"])
def test_ocr_ocrbench_correct(case: dict[str, Any], variant: OCRBenchVariant) -> None:
    found = ocrbench_correct(case["prediction"], case["answers"], case["category"], variant)
    assert int(found) == case[f"{variant}_correct"]


def report_of(case: dict[str, Any], variant: OCRBenchVariant) -> OCRBenchReport:
    return ocrbench_report(
        ((name, text, ast.literal_eval(answers)) for name, text, answers in case["rows"]), variant
    )


@pytest.mark.golden_cases("scoring/ocrbench_reports.jsonl")
def test_ocr_ocrbench_report_of_vlmevalkit(case: dict[str, Any]) -> None:
    report, expected = report_of(case, "vlmevalkit"), dict(case["vlmevalkit"])
    assert report.text_recognition == expected.pop("Text Recognition")
    assert report.final_score == expected.pop("Final Score")
    assert report.final_score_norm == expected.pop("Final Score Norm")
    assert {name: report.per_category[name] for name in expected} == expected


@pytest.mark.golden_cases("scoring/ocrbench_reports.jsonl")
def test_ocr_ocrbench_report_of_lmms_eval(case: dict[str, Any]) -> None:
    report = report_of(case, "lmms_eval")
    assert report.per_category == case["lmms_eval"]["per_category"]
    assert report.accuracy_of_1000 == case["lmms_eval"]["score"]
