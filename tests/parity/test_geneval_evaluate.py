"""GenEval's verdicts, reasons, kept boxes and colour calls, against the original's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tasks.scoring.geneval import (
    Detection,
    FilterOptions,
    evaluate_detections,
    parse_prompt,
    select_detections,
)


class RecordingClassifier:
    """Answers with the case's colours and writes down what it was asked."""

    def __init__(self, colors: dict[str, list[str]]) -> None:
        self.colors = colors
        self.calls: list[list[Any]] = []

    def __call__(self, class_name: str, found: Sequence[Detection]) -> list[str]:
        rows = [item.row for item in found]
        self.calls.append([class_name, rows])
        return [self.colors[class_name][row] for row in rows]


@pytest.mark.golden_cases("scoring/geneval_evaluate.jsonl")
def test_geneval_evaluate_verdict_reason_and_color_calls(case: dict[str, Any]) -> None:
    classifier = RecordingClassifier(case["colors"])
    judgement = evaluate_detections(
        parse_prompt(case["metadata"]),
        case["detections"],
        classifier,
        options=FilterOptions(**case["options"]),
    )
    assert judgement.correct is case["correct"]
    assert judgement.reason in case["reason_variants"]
    assert classifier.calls == case["color_calls"]


@pytest.mark.golden_cases("scoring/geneval_evaluate.jsonl")
def test_geneval_evaluate_kept_rows(case: dict[str, Any]) -> None:
    selected = select_detections(
        case["detections"], case["metadata"]["tag"], FilterOptions(**case["options"])
    )
    kept = {name: [item.row for item in found] for name, found in selected.items()}
    assert kept == case["kept"]
