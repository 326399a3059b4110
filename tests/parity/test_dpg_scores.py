"""DPG-Bench's images, categories and total, against the original script."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.scoring.dpg import (
    DPGImage,
    DPGQuestion,
    parse_dpg_questions,
    score_dpg_image,
    summarise_dpg,
)


def _scored(case: dict[str, Any]) -> dict[str, tuple[tuple[DPGQuestion, ...], DPGImage] | None]:
    """Each listed image's questions and score; None where the original drops it."""
    rows = [dict(zip(case["csv_columns"], row, strict=True)) for row in case["csv_rows"]]
    items = parse_dpg_questions(rows, legacy=True)
    found: dict[str, tuple[tuple[DPGQuestion, ...], DPGImage] | None] = {}
    for file in case["image_order"]:
        name = file.split(".")[0]
        pictures = case["answers"].get(name, [])[: case["pic_num"]]
        answers = [{int(number): text for number, text in one.items()} for one in pictures]
        try:
            found[name] = (items[name], score_dpg_image(items[name], answers, legacy=True))
        except KeyError:
            found[name] = None
    return found


@pytest.mark.golden_cases("scoring/dpg.jsonl")
def test_dpg_images(case: dict[str, Any]) -> None:
    for name, scored in _scored(case).items():
        expected = case["per_image"][name]
        if scored is None:
            assert "failed" in expected
            continue
        _, image = scored
        assert image.score == pytest.approx(expected["score"])
        assert list(image.pictures) == pytest.approx(expected["crop_scores"])
        last = {str(number): value for number, value in image.answered[-1].items()}
        assert last == expected["scores_before_zeroing"]


@pytest.mark.golden_cases("scoring/dpg.jsonl")
def test_dpg_summary(case: dict[str, Any]) -> None:
    summary = summarise_dpg([pair for pair in _scored(case).values() if pair], legacy=True)
    assert summary.overall == pytest.approx(case["overall"])
    assert dict(summary.broad) == pytest.approx(case["l1"])
    assert dict(summary.categories) == pytest.approx(case["l2"])
