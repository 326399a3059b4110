"""Single multiple-choice answers, against VLMEvalKit's and lmms-eval's."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.scoring.choice import EXTRACTORS
from tasks.scoring.lmms_choice import ai2d_filtered, extract_letter, seedbench_letter
from tasks.scoring.realworldqa import judge_realworldqa


@pytest.mark.golden_cases("scoring/mcq.jsonl")
def test_choice_of_vlmevalkit(case: dict[str, Any]) -> None:
    said = EXTRACTORS["vanilla"](case["prediction"], case["choices"])
    assert said == case["vlmevalkit_option"]
    assert int(said == case["answer"]) == case["vlmevalkit_hit"]
    exact = EXTRACTORS["exact"](case["prediction"], case["choices"])
    assert (exact or "Z") == case["vlmevalkit_option"]


@pytest.mark.golden_cases("scoring/mcq.jsonl")
def test_choice_of_lmms_eval_with_letters_a_to_d(case: dict[str, Any]) -> None:
    prediction, expected = case["prediction"], case["lmms_eval"]
    letter = extract_letter(prediction, "ABCD")
    assert (letter or "") == expected["extract_mcq_answer_ABCD"]
    assert float(letter == case["answer"]) == expected["mmstar"]
    right = judge_realworldqa(prediction, case["answer"]) == "ok"
    assert float(right) == expected["realworldqa"]


@pytest.mark.golden_cases("scoring/mcq.jsonl")
@pytest.mark.parametrize("rule", ["ai2d", "scienceqa", "seedbench"])
def test_choice_of_lmms_eval_by_benchmark(case: dict[str, Any], rule: str) -> None:
    extract = EXTRACTORS[f"lmms-eval-{rule}"]
    right = extract(case["prediction"], case["choices"]) == case["answer"]
    assert float(right) == case["lmms_eval"][rule]


@pytest.mark.golden_cases("scoring/mcq.jsonl")
def test_choice_of_lmms_eval_before_it_is_compared(case: dict[str, Any]) -> None:
    assert ai2d_filtered(case["prediction"]) == case["lmms_eval"]["ai2d_filtered"]
    assert seedbench_letter(case["prediction"]) == case["lmms_eval"]["seedbench_pred"]


@pytest.mark.golden_cases("scoring/realworldqa_open.jsonl")
def test_choice_realworldqa(case: dict[str, Any]) -> None:
    right = judge_realworldqa(case["prediction"], case["answer"]) == "ok"
    assert float(right) == case["lmms_eval_exact_match"]
