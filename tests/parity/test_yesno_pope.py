"""Yes/no answers and POPE's totals, against VLMEvalKit's and lmms-eval's."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.scoring.yesno import YesNo, binary_scores, mme_label, strict_yes_no, yes_no

SPELLING = {"yes": "Yes", "no": "No", None: "Unknown"}
TRUTH: dict[str, YesNo] = {"Yes": "yes", "No": "no", "yes": "yes", "no": "no"}


@pytest.mark.golden_cases("scoring/yesno_pope.jsonl")
def test_yesno_answers(case: dict[str, Any]) -> None:
    prediction, truth = case["prediction"], TRUTH[case["answer"]]
    assert SPELLING[yes_no(prediction)] == case["vlmevalkit_extracted"]
    assert int(yes_no(prediction) == truth) == case["vlmevalkit_score"]
    assert float(strict_yes_no(prediction) == truth) == case["lmms_eval_score"]
    assert (mme_label(prediction) or "other") == case["mme_lmms_eval_label"]


@pytest.mark.golden_cases("scoring/pope_reports.jsonl")
def test_yesno_pope_report_of_vlmevalkit(case: dict[str, Any]) -> None:
    groups: dict[str, list[tuple[YesNo, YesNo | None]]] = {"Overall": []}
    for answer, categories, prediction in case["rows"]:
        for category in categories.split(","):
            pair = (TRUTH[answer], yes_no(prediction))
            groups["Overall"].append(pair)
            groups.setdefault(category, []).append(pair)
    assert groups.keys() == case["vlmevalkit"].keys()
    for name, expected in case["vlmevalkit"].items():
        scores = binary_scores(groups[name])
        assert 100 * scores.f1 == pytest.approx(expected["Overall"], rel=1e-9), name
        assert 100 * scores.accuracy == pytest.approx(expected["acc"], rel=1e-9), name
        assert 100 * scores.precision == pytest.approx(expected["precision"], rel=1e-9), name
        assert 100 * scores.recall == pytest.approx(expected["recall"], rel=1e-9), name


@pytest.mark.golden_cases("scoring/pope_reports.jsonl")
def test_yesno_pope_report_of_lmms_eval(case: dict[str, Any]) -> None:
    pairs = [(TRUTH[answer], strict_yes_no(text)) for answer, _, text in case["rows"]]
    scores = binary_scores(pairs, recall_over="parsed")
    for name in ("accuracy", "precision", "recall", "f1"):
        assert getattr(scores, name) == pytest.approx(case["lmms_eval"][name], rel=1e-9), name
    assert scores.true_yes_ratio == pytest.approx(case["lmms_eval"]["yes_ratio"], rel=1e-9)
