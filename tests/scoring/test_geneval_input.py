"""Broken GenEval input is refused with the place and the remedy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from harness.errors import SpecError
from tasks.scoring.geneval import (
    ColorClassifier,
    evaluate_detections,
    keep_rows,
    parse_prompt,
    parse_prompt_lines,
    select_detections,
    summary_scores,
)


def says(*colors: str) -> ColorClassifier:
    return lambda _name, _found: colors


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "tag": "colors",
        "include": [{"class": "cow", "count": 1, "color": "red"}],
        "prompt": "a photo of a red cow",
    }
    return {**base, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"include": [{"class": "cow", "count": 0}]}, ">= 1.*include"),
        ({"include": [{"class": "cow", "count": -2}]}, ">= 1.*include"),
        ({"include": [{"class": "cow", "count": "1"}]}, "Expected `int`.*count"),
        ({"include": [{"class": "cow", "count": 1.5}]}, "Expected `int`.*count"),
        ({"include": [{"class": "cow"}]}, "missing required field `count`"),
        ({"include": [{"count": 1}]}, "missing required field `class`"),
        ({"include": [{"class": "cow", "count": 1, "colour": "red"}]}, "unknown field `colour`"),
        ({"include": {"class": "cow", "count": 1}}, "Expected `array`"),
        ({"exlude": []}, "unknown field `exlude`"),
        ({"tag": None}, "Expected `str`"),
        ({"include": [{"class": "cow", "count": 1, "color": "rad"}]}, "unknown color 'rad'"),
    ],
)
def test_malformed_records_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_prompt(record(**changes))


@pytest.mark.parametrize(
    "position", [["beside", 0], ["left of"], ["left of", 0, 1], ["left of", -1], "left of"]
)
def test_malformed_positions_are_refused(position: Any) -> None:
    clauses = [{"class": "cow", "count": 1}, {"class": "dog", "count": 1, "position": position}]
    with pytest.raises(SpecError, match="not a GenEval record"):
        parse_prompt(record(include=clauses))


@pytest.mark.parametrize("target", [1, 2, 7])
def test_a_target_must_be_an_earlier_clause(target: int) -> None:
    clauses = [
        {"class": "cow", "count": 1},
        {"class": "dog", "count": 1, "position": ["above", target]},
    ]
    with pytest.raises(SpecError, match=rf"include\[1\].*include\[{target}\].*earlier"):
        parse_prompt(record(include=clauses))


def test_an_exclude_clause_with_a_color_is_refused() -> None:
    with pytest.raises(SpecError, match=r"exclude\[0\].*never checked"):
        parse_prompt(record(exclude=[{"class": "cow", "count": 2, "color": "red"}]))


def test_an_unknown_class_comes_with_a_suggestion() -> None:
    with pytest.raises(SpecError, match="unknown class 'cow'") as error:
        parse_prompt(record(), classes=["crow", "dog"])
    assert error.value.remedy == "did you mean 'crow'?"
    with pytest.raises(SpecError) as error:
        parse_prompt(record(), classes=["zebra", "yak"])
    assert error.value.remedy == "one of yak, zebra"


def test_broken_lines_are_named() -> None:
    lines = [json.dumps(record()), "", '{"tag": "colors", "incl']
    with pytest.raises(SpecError, match=r"prompts\.jsonl, line 3: not a GenEval record"):
        list(parse_prompt_lines(lines, source="prompts.jsonl"))


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(SpecError, match="not a GenEval record"):
        parse_prompt(b'{"tag": "\xff", "prompt": "p"}')


def test_a_record_reads_the_same_from_json_and_from_a_mapping() -> None:
    assert parse_prompt(json.dumps(record())) == parse_prompt(record())


def test_other_colors_can_be_allowed() -> None:
    spec = parse_prompt(
        record(include=[{"class": "cow", "count": 1, "color": "cyan"}]), colors=["cyan"]
    )
    assert spec.include[0].color == "cyan"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 0, 1, 1]], "shape"),
        ([0, 0, 1, 1, 0.5], "shape"),
        ([[0, 0, 1, 1, np.nan]], "finite"),
        ([[0, 0, np.inf, 1, 0.5]], "finite"),
    ],
)
def test_malformed_detections_are_refused_by_class(rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        keep_rows(rows, threshold=0.3)
    with pytest.raises(ValueError, match=f"class 'cow'.*{message}"):
        select_detections({"cow": rows}, "colors")


@pytest.mark.parametrize("empty", [[], np.zeros((0, 5)), np.zeros((0,))])
def test_no_detections_at_all_is_fine(empty: Any) -> None:
    assert keep_rows(empty, threshold=0.3) == []


def test_a_classifier_must_answer_for_each_object_in_its_vocabulary() -> None:
    spec, rows = parse_prompt(record()), {"cow": [[0, 0, 9, 9, 0.9]]}
    with pytest.raises(ValueError, match="2 colors for 1 objects of 'cow'"):
        evaluate_detections(spec, rows, says("red", "red"))
    with pytest.raises(ValueError, match=r"outside its vocabulary: \['cyan'\]"):
        evaluate_detections(spec, rows, says("cyan"))


def test_nothing_to_summarise_is_an_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        summary_scores([])


def test_failures_are_structured() -> None:
    spec = parse_prompt(
        record(
            include=[
                {"class": "cow", "count": 1, "color": "red"},
                {"class": "dog", "count": 1, "position": ["above", 0]},
                {"class": "cat", "count": 2},
            ],
            exclude=[{"class": "cow", "count": 1}],
        )
    )
    rows = {"cow": [[0, 0, 9, 9, 0.9]], "dog": [[0, 50, 9, 59, 0.9]]}
    judgement = evaluate_detections(spec, rows, says("blue"))
    assert [(f.kind, f.class_name, f.found) for f in judgement.failures] == [
        ("color", "cow", 0),
        ("no_target", "dog", 1),
        ("missing", "cat", 0),
        ("excess", "cow", 1),
    ]
    assert judgement.failures[0].seen == (("blue", 1),)
    assert judgement.reason.splitlines() == [
        "expected red cow>=1, found 0 red; and 1 blue",
        "no target for dog to be above",
        "expected cat>=2, found 0",
        "expected cow<1, found 1",
    ]
