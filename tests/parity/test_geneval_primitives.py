"""GenEval's box overlap and relative position, against the original's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.scoring.geneval import compute_iou, relative_position


@pytest.mark.golden_cases("scoring/geneval_primitives.jsonl", kind="iou")
def test_geneval_iou(case: dict[str, Any]) -> None:
    rows = [np.array(case[name], dtype=np.float32) for name in ("box_a", "box_b")]
    assert compute_iou(case["box_a"], case["box_b"]) == case["iou"]
    assert compute_iou(*rows) == case["iou_float32_rows"]
    assert compute_iou(*rows) == pytest.approx(case["iou_float32_rows_numpy2"], abs=1e-6)


@pytest.mark.golden_cases("scoring/geneval_primitives.jsonl", kind="relative_position")
def test_geneval_relative_position(case: dict[str, Any]) -> None:
    threshold = case["position_threshold"]
    first, second = (np.array(case[name], dtype=np.float32) for name in ("box_a", "box_b"))
    narrow = relative_position(first, second, position_threshold=threshold)
    assert sorted(narrow) == sorted(case["relations"])
    wide = relative_position(case["box_a"], case["box_b"], position_threshold=threshold)
    assert sorted(wide) == sorted(case["relations_float64"])
