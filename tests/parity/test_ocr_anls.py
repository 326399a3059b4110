"""ANLS, against VLMEvalKit's and lmms-eval's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.scoring.ocr import anls, anls_distances
from tasks.scoring.vqa import parse_answer_cell


def answers_of(case: dict[str, Any]) -> list[str]:
    return [str(answer) for answer in parse_answer_cell(case["answer_field"])]


@pytest.mark.golden_cases("scoring/docvqa_anls.jsonl")
def test_ocr_anls_of_vlmevalkit(case: dict[str, Any]) -> None:
    expected = case["vlmevalkit"]
    if "error" in expected:
        pytest.skip(f"upstream fails here with {expected['error']}")
    answers = answers_of(case)
    distances = anls_distances(case["prediction"], answers, variant="legacy")
    assert distances == expected["match"]
    assert float(np.mean(distances)) == pytest.approx(expected["eval_score"], rel=1e-12)
    assert anls(case["prediction"], answers, variant="legacy") == expected["score"]


@pytest.mark.golden_cases("scoring/docvqa_anls.jsonl")
def test_ocr_anls_of_lmms_eval(case: dict[str, Any]) -> None:
    if case["lmms_eval_anls"] is None:
        pytest.skip("lmms-eval wasn't run on this case")
    score = anls(case["prediction"].strip(), case["answers"], variant="legacy")
    assert score == case["lmms_eval_anls"]
