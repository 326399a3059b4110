"""VQA accuracy, relaxed accuracy and exact matches, against VLMEvalKit's and lmms-eval's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from tasks.scoring.ocr import anls
from tasks.scoring.vqa import (
    match_ignoring_case,
    match_ignoring_case_and_punctuation,
    parse_answer_cell,
    relaxed_accuracy,
    relaxed_match,
    vqa_accuracy,
    vqa_matches,
    vqa_normalize,
)


@pytest.mark.golden_cases("scoring/textvqa.jsonl")
def test_vqa_textvqa_of_vlmevalkit(case: dict[str, Any]) -> None:
    prediction, expected = case["prediction"], case["vlmevalkit"]
    answers: list[Any] = parse_answer_cell(case["answer_field"])
    assert vqa_normalize(prediction) == case["vlmevalkit_processed_prediction"]
    if "error" in expected:
        with pytest.raises((AttributeError, TypeError, ValueError)):
            vqa_matches(prediction, answers)
        return
    assert [vqa_normalize(answer) for answer in answers] == expected["gt"]
    assert vqa_matches(prediction, answers) == expected["match"]
    assert vqa_accuracy(prediction, answers) == pytest.approx(expected["score"], rel=1e-12)


@pytest.mark.golden_cases("scoring/textvqa.jsonl")
def test_vqa_textvqa_of_lmms_eval(case: dict[str, Any]) -> None:
    expected = case["lmms_eval"]
    if expected is None:
        pytest.skip("lmms-eval wasn't run on this case")
    assert vqa_normalize(case["prediction"], "lmms_eval") == expected["pred"]
    assert [vqa_normalize(answer, "lmms_eval") for answer in case["answers"]] == expected["gt"]
    accuracy = vqa_accuracy(case["prediction"], case["answers"], "lmms_eval")
    assert accuracy == pytest.approx(expected["accuracy"], rel=1e-12)


@pytest.mark.golden_cases("scoring/chartqa.jsonl")
def test_vqa_chartqa(case: dict[str, Any]) -> None:
    prediction, expected = case["prediction"], case["vlmevalkit"]
    answers = parse_answer_cell(case["answer_field"])
    assert answers == expected["gt"]
    assert [relaxed_match(prediction.strip(), str(answer)) for answer in answers] == expected[
        "match"
    ]
    if case["lmms_eval_relaxed"] is not None:
        (answer,) = case["answers"]
        assert relaxed_match(prediction, answer) == case["lmms_eval_relaxed"]


@pytest.mark.golden_cases("scoring/vqa_exact.jsonl")
def test_vqa_exact(case: dict[str, Any]) -> None:
    prediction, expected = case["prediction"], case["vlmevalkit"]
    answers: list[Any] = parse_answer_cell(case["answer_field"])
    matches = [match_ignoring_case(prediction, answer) for answer in answers]
    assert matches == expected["match"]
    assert max(matches) == expected["score"]
    assert np.mean(matches) == pytest.approx(case["vlmevalkit_gqa_score"], rel=1e-12)
    if case["lmms_eval_gqa"] is not None:
        (answer,) = case["answers"]
        found = match_ignoring_case_and_punctuation(prediction.strip(), answer)
        assert found == case["lmms_eval_gqa"]


def _best(rule: Callable[[str, str], bool]) -> Callable[[str, list[Any]], float]:
    return lambda text, answers: max(rule(text.strip(), str(answer)) for answer in answers)


def _mean(rule: Callable[[str, str], bool]) -> Callable[[str, list[Any]], float]:
    return lambda text, answers: float(np.mean([rule(text.strip(), str(a)) for a in answers]))


def _relaxed(text: str, answers: list[Any]) -> float:
    return relaxed_accuracy(text, list(map(str, answers)))


SCORERS: dict[str, Callable[[str, list[Any]], float]] = {
    "TextVQA": vqa_accuracy,
    "ChartQA": _relaxed,
    "DocVQA": partial(anls, variant="legacy"),
    "InfoVQA": partial(anls, variant="legacy"),
    "OCRVQA": _best(match_ignoring_case),
    "GQA": _mean(match_ignoring_case),
}


@pytest.mark.golden_cases("scoring/vqa_reports.jsonl")
def test_vqa_report_of_vlmevalkit(case: dict[str, Any]) -> None:
    scorer = SCORERS.get(case["dataset"].split("_")[0])
    if scorer is None:
        pytest.skip(f"no scorer for {case['dataset']}")
    groups: dict[str, list[float]] = {"Overall": []}
    for row in case["rows"]:
        score = scorer(str(row["prediction"]), parse_answer_cell(str(row["answer"])))
        for group in ("Overall", row.get("split"), row.get("category")):
            if group is not None:
                groups.setdefault(group, []).append(score)
    report = {name: 100 * float(np.mean(scores)) for name, scores in groups.items()}
    assert report == pytest.approx(case["report"], rel=1e-9)
