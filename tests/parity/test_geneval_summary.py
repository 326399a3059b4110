"""GenEval's totals, against the original's."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.scoring.geneval import TAGS, ImageResult, summary_scores

# Lines of each skill in the official prompt file, which is ordered by skill.
OFFICIAL_LINES = dict(zip(TAGS, (80, 99, 80, 94, 100, 100), strict=True))
TAG_OF_LINE = [tag for tag, count in OFFICIAL_LINES.items() for _ in range(count)]


@pytest.mark.golden_cases("scoring/geneval_summary.jsonl")
def test_geneval_summary_scores(case: dict[str, Any]) -> None:
    summary = summary_scores(
        ImageResult(tag=TAG_OF_LINE[line], prompt=str(line), correct=bool(correct))
        for line, correct in case["rows"]
    )
    assert summary.task_scores == case["task_scores"]
    assert list(summary.task_scores) == list(case["task_scores"])
    assert summary.n_images == case["n_images"]
    assert summary.n_prompts == case["n_prompts"]
    for name in ("overall", "image_accuracy", "prompt_accuracy"):
        assert getattr(summary, name) == pytest.approx(case[name], rel=1e-12), name


@pytest.mark.golden_cases("scoring/geneval_summary.jsonl")
def test_geneval_summary_figures_are_those_printed(case: dict[str, Any]) -> None:
    summary = summary_scores(
        ImageResult(tag=TAG_OF_LINE[line], prompt=str(line), correct=bool(correct))
        for line, correct in case["rows"]
    )
    tasks = [f"({task.n_correct} / {task.n_images})" for task in summary.tasks.values()]
    for figure in (
        *tasks,
        f"% correct images: {summary.image_accuracy:.2%}",
        f"% correct prompts: {summary.prompt_accuracy:.2%}",
        f"(avg. over tasks): {summary.overall:.5f}",
    ):
        assert figure in case["stdout"]
