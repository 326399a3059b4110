"""MMMU's parsers, comparison and report, against lmms-eval's."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tasks.scoring.choice import EXTRACTORS
from tasks.scoring.mmmu import (
    DISCIPLINES,
    MMMUScore,
    matches_open,
    mmmu_report,
    parse_multi_choice,
    parse_open,
    score_open,
)


@pytest.mark.golden_cases("scoring/mmmu.jsonl", kind="multiple-choice")
def test_mmmu_multiple_choice(case: dict[str, Any]) -> None:
    parsed = parse_multi_choice(case["response"], case["options"])
    assert parsed == case["parsed"]
    assert (parsed is None) == case["random_fallback"]


@pytest.mark.golden_cases("scoring/mmmu.jsonl", kind="multiple-choice")
def test_mmmu_extractor_is_the_same_rule(case: dict[str, Any]) -> None:
    choices = {chr(ord("A") + i): text for i, text in enumerate(case["options"])}
    assert EXTRACTORS["mmmu"](case["response"], choices) == case["parsed"]


def spelled(number: float | str) -> str:
    """NaN and infinities as the golden cases spell them."""
    return repr(float(number)) if not isinstance(number, str) else number


@pytest.mark.golden_cases("scoring/mmmu.jsonl", kind="open")
def test_mmmu_open(case: dict[str, Any]) -> None:
    parsed = parse_open(case["response"])
    texts = [item for item in parsed if isinstance(item, str)]
    numbers = [item for item in parsed if not isinstance(item, str)]
    assert sorted(texts) == sorted(case["parsed_strings"])
    assert sorted(map(spelled, numbers)) == sorted(map(spelled, case["parsed_numbers"]))
    assert matches_open(parsed, case["answer"]) == case["eval_open"]
    assert score_open(case["response"], case["answer"]) == case["eval_open"]


@pytest.mark.golden_cases("scoring/mmmu.jsonl", kind="open")
def test_mmmu_open_in_the_pipeline_of_lmms_eval(case: dict[str, Any]) -> None:
    right = score_open(case["response"], case["answer"], "lmms_eval")
    assert right == case["pipeline_correct"]


def printed(score: MMMUScore) -> dict[str, Any]:
    return {"num": score.n, "acc": round(score.accuracy or 0, 5)}


@pytest.mark.golden_cases("scoring/mmmu.jsonl", kind="report")
def test_mmmu_report(case: dict[str, Any]) -> None:
    report = mmmu_report((name, gold == said) for name, gold, said in case["rows"])
    figures = {"Overall": printed(report.overall)}
    for discipline, score in report.per_discipline.items():
        figures[f"Overall-{discipline}"] = printed(score)
    known = {subject for subjects in DISCIPLINES.values() for subject in subjects}
    for subject, score in report.per_subject.items():
        if subject in known:
            figures[subject] = printed(score)
    assert figures == case["printable"]
    assert report.overall.accuracy is not None
    assert math.isclose(round(report.overall.accuracy, 5), case["overall"])
