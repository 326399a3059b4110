"""The task `dpg-bench` with the original's scorer, image for image against the original script.

Each picture has a colour of its own, by which a scripted judge knows whose answers to give, so the
way from question file and pictures to the printed figures is the task's own.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.records import Outcome, Response, Sample, ScoredSample, Verdict
from tasks.dpg import DPGBench

_QUESTION = "question_natural_language"
_Answers = dict[tuple[int, int, int], dict[str, str]]


class _Scripted:
    """Answers by the picture's colour and the question's text."""

    def __init__(self, answers: _Answers) -> None:
        self._answers = answers

    def ask(self, questions: Sequence[Any]) -> list[str]:
        return [self._said(q.image.getpixel((0, 0)), q.text) for q in questions]

    def _said(self, color: tuple[int, int, int], question: str) -> str:
        """Nothing, where the original failed before it asked."""
        return self._answers.get(color, {}).get(question, "")


def _question_file(case: dict[str, Any], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*case["csv_columns"], "text"])
        writer.writerows([*row, "a dense prompt"] for row in case["csv_rows"])
    return path


def _color(item: int, k: int) -> tuple[int, int, int]:
    return item // 256, item % 256, k


def _judged(case: dict[str, Any], path: Path) -> tuple[DPGBench, list[tuple[Sample, Outcome]]]:
    """Outcomes of all pictures whose file the original listed."""
    rows = [dict(zip(case["csv_columns"], row, strict=True)) for row in case["csv_rows"]]
    texts = {(r["item_id"], str(r["proposition_id"])): r[_QUESTION] for r in rows}
    names = [file.split(".")[0] for file in case["image_order"]]
    answers = {
        _color(names.index(item), k): {texts[item, n]: said for n, said in one.items()}
        for item, pictures in case["answers"].items()
        if item in names
        for k, one in enumerate(pictures)
    }
    options = {"questions": str(path), "images": case["pic_num"], "scorer": "legacy"}
    task = DPGBench(options)
    task._known = _Scripted(answers)  # type: ignore[assignment]
    samples = [sample for sample in task.samples() if sample.id in names]
    pairs = [(s, Response(image=_picture(names.index(s.id), s.k))) for s in samples]
    return task, list(zip(samples, task.score_batch(pairs), strict=True))


def _picture(item: int, k: int) -> Image.Image:
    return Image.new("RGB", (2, 2), _color(item, k))


@pytest.mark.golden_cases("scoring/dpg.jsonl")
def test_dpg_task(case: dict[str, Any], tmp_path: Path) -> None:
    task, judged = _judged(case, _question_file(case, tmp_path / "q.csv"))
    failed = {sample.id for sample, o in judged if o.verdict is Verdict.JUDGE_FAILED}
    assert failed == {s.id for s, _ in judged if "failed" in case["per_image"][s.id]}
    for sample, outcome in judged:
        if sample.id not in failed:
            expected = case["per_image"][sample.id]["crop_scores"][sample.k]
            assert outcome.scores["score"] == pytest.approx(expected)
    rows = [ScoredSample(sample=sample, outcome=outcome) for sample, outcome in judged]
    task._known = None
    result = task.aggregate(rows, task.protocol(0))
    assert result.extra["l1"] == pytest.approx(case["l1"])
    assert result.extra["l2"] == pytest.approx(case["l2"])
    overall = result.metrics[0].value
    assert overall is not None
    assert 100 * overall == pytest.approx(case["overall"])
