"""MMBench's reading of options, against VLMEvalKit's."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.scoring.mmbench import can_infer, can_infer_option, can_infer_text


@pytest.mark.golden_cases("scoring/mmbench.jsonl")
@pytest.mark.parametrize("verbose", [False, True], ids=["quiet", "verbose"])
def test_mmbench_can_infer(case: dict[str, Any], verbose: bool) -> None:
    suffix = "_verbose" if verbose else ""
    prediction, choices = case["prediction"], case["choices"]
    option = can_infer_option(prediction, choices, verbose=verbose)
    assert (option or False) == case["can_infer_option" + suffix]
    either = can_infer(prediction, choices, verbose=verbose)
    assert (either or False) == case["can_infer" + suffix]


@pytest.mark.golden_cases("scoring/mmbench.jsonl")
def test_mmbench_can_infer_text(case: dict[str, Any]) -> None:
    inferred = can_infer_text(case["prediction"], case["choices"])
    assert (inferred or False) == case["can_infer_text"]
