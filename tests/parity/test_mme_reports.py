"""MME's totals, against VLMEvalKit's and lmms-eval's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.scoring.mme import MMEAnswer, MMEReport, mme_report
from tasks.scoring.yesno import YesNo, mme_label, yes_no

TRUTH: dict[str, YesNo] = {"yes": "yes", "no": "no"}


def report_of(case: dict[str, Any], read: Callable[[str], YesNo | None]) -> MMEReport:
    return mme_report(
        MMEAnswer(category=category, image=image, truth=TRUTH[answer.lower()], said=read(text))
        for category, image, answer, text in case["rows"]
    )


@pytest.mark.golden_cases("scoring/mme_reports.jsonl")
def test_mme_report_of_vlmevalkit(case: dict[str, Any]) -> None:
    report = report_of(case, yes_no)
    figures = {name: figure.score for name, figure in report.per_category.items()}
    figures |= {"perception": report.perception or 0.0, "reasoning": report.cognition or 0.0}
    assert figures == pytest.approx(case["vlmevalkit"], rel=1e-9)


@pytest.mark.golden_cases("scoring/mme_reports.jsonl")
def test_mme_report_of_lmms_eval(case: dict[str, Any]) -> None:
    report = report_of(case, mme_label)
    expected = case["lmms_eval"]
    assert report.perception == pytest.approx(expected["mme_perception_score"], rel=1e-9)
    assert report.cognition == pytest.approx(expected["mme_cognition_score"], rel=1e-9)
