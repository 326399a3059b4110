"""OCRBench v2's rules: by hand, by their laws, and against plain rewritings."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring import ocrbench_v2
from tasks.scoring.ocrbench_v2 import (
    RULES,
    box_iou,
    contained_formula,
    contained_or_near,
    contained_or_near_chinese,
    count_score,
    grounding_score,
    letters_equal,
    pairs_f1,
    position_score,
    read_box,
    read_pairs,
    short_answer_score,
)
from tests.scoring.awkward import AWKWARD, answers

LONG = "one two three four five"


def test_rules_are_functions_of_the_module() -> None:
    assert len(RULES) == 20
    assert {callable(getattr(ocrbench_v2, rule)) for rule in RULES.values()} == {True}


@pytest.mark.parametrize(
    ("prediction", "answer", "score"),
    [
        ("The sign says STOP.", "stop", 1.0),
        ("st", "stop", 0.0),
        (LONG, LONG, 1.0),
        (LONG.upper(), LONG, 1.0),
        ("It says " + LONG, LONG, 1 - 8 / 31),  # long answers aren't contained but near
        ("one", LONG, 0.0),
        ("one two three fou", "one two three four", 0.0),  # four words must be contained
        ("a\nb", "a b", 1.0),
    ],
)
def test_short_answers_are_contained_and_long_ones_near(
    prediction: str, answer: str, score: float
) -> None:
    assert contained_or_near(prediction, [answer]) == pytest.approx(score)
    assert contained_or_near(prediction, ["nothing of this", answer]) == pytest.approx(score)


def test_case_may_count() -> None:
    assert contained_or_near("STOP", ["stop"], ignore_case=False) == 0
    assert contained_or_near("a stop", ["stop"], ignore_case=False) == 1


@pytest.mark.parametrize(
    ("prediction", "answer", "score"),
    [
        ("答案是 红色", "红 色", 1.0),
        ("a,b,c,x", "a,b,c,d", 1 - 1 / 7),
        ("a,b,x", "a,b,c", 0.0),  # three parts must be contained
    ],
)
def test_chinese_answers(prediction: str, answer: str, score: float) -> None:
    assert contained_or_near_chinese(prediction, [answer]) == pytest.approx(score)


@given(st.text(max_size=60), st.booleans())
def test_the_answer_itself_scores_full(answer: str, ignore_case: bool) -> None:
    assert contained_or_near(answer, ["other", answer], ignore_case=ignore_case) == 1
    assert contained_or_near_chinese(answer, [answer]) == 1
    assert contained_formula(answer, [answer]) == 1
    assert contained_formula(answer, [answer], without_text_tags=True) == 1
    assert short_answer_score(answer, answer) == 1


@given(answers, st.lists(answers, max_size=3))
def test_scores_are_bounded(prediction: str, accepted: list[str]) -> None:
    for rule in (contained_or_near, contained_or_near_chinese, contained_formula):
        assert 0 <= rule(prediction, accepted) <= 1
    assert contained_or_near(prediction, []) == 0


@pytest.mark.parametrize(
    ("prediction", "exact", "near"),
    [
        ("10", 1.0, 1.0),
        ("There are 10 words", 1.0, 1.0),
        ("9", 0.0, 0.9),
        ("14, I think, or 10", 1.0, 0.6),  # the first number counts
        ("15", 0.0, 0.0),  # a half isn't enough
        ("20", 0.0, 0.0),
        ("0", 0.0, 0.0),
        ("ten", 0.0, 0.0),
        ("9" * 5000, 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_counts(prediction: str, exact: float, near: float) -> None:
    assert count_score(prediction, ["10"], exact=True) == exact
    assert count_score(prediction, ["10"], exact=False) == pytest.approx(near)


def test_the_best_of_several_counts() -> None:
    assert count_score("9", ["3", "9"], exact=False) == 1
    assert count_score("9", [], exact=False) == 0
    assert count_score("0", ["0"], exact=False) == 0


def test_formulas() -> None:
    assert contained_formula("$x ^ 2 + 1$", ["x^2+1"]) == 1
    assert contained_formula("X^2", ["x^2"]) == 0
    assert contained_formula("3 \\text{cm}", ["3cm"]) == 0
    assert contained_formula("3 \\text{cm}", ["3cm"], without_text_tags=True) == 1


@pytest.mark.parametrize(
    ("prediction", "score"),
    [("AC", 1), ("A, C", 1), ("A和C", 1), ("A、C", 1), ("A and C", 0), ("CA", 0)],
)
def test_handwritten_answers(prediction: str, score: float) -> None:
    assert short_answer_score(prediction, "AC") == score


@pytest.mark.parametrize(("prediction", "score"), [("B", 1), ("(B).", 1), ("b", 0), ("B: x", 0)])
def test_multiple_choice(prediction: str, score: float) -> None:
    assert letters_equal(prediction, "B") == score


sides = st.integers(0, 12)
boxes = st.tuples(sides, sides, sides, sides).map(
    lambda s: [min(s[0], s[2]), min(s[1], s[3]), max(s[0], s[2]), max(s[1], s[3])]
)


def cells(box: list[int]) -> set[tuple[int, int]]:
    return set(itertools.product(range(box[0], box[2]), range(box[1], box[3])))


@given(boxes, boxes)
def test_iou_counts_cells(first: list[int], second: list[int]) -> None:
    a, b = cells(first), cells(second)
    assert box_iou(first, second) == pytest.approx(len(a & b) / len(a | b) if a | b else 0)
    assert box_iou(first, second) == box_iou(second, first)


@pytest.mark.parametrize(
    "box", [[], [1], ["x", 0, 0, 0], [None] * 4, [float("nan")] * 4, [[1]] * 4, ["9" * 5000] * 4]
)
def test_what_is_no_box_overlaps_nothing(box: Any) -> None:
    assert box_iou(box, [0, 0, 10, 10]) == 0
    assert box_iou([0, 0, 10, 10], box) == 0


def test_coordinates_are_cut_to_whole_numbers() -> None:
    assert box_iou(["0", "0", "10", "10"], [0.9, 0, 10.5, 10]) == 1


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("(1, 2, 3, 4)", [1, 2, 3, 4]),
        ("[1,2,3,4] and ( 5 ,6, 7,8 )", [5, 6, 7, 8]),
        ("[1,2,3,4] and (5, 6, 7, 8000)", [1, 2, 3, 4]),
        ("(0001, 2, 3, 1000]", [1, 2, 3, 1000]),
        ("(1, 2, 3)", None),
        ("1, 2, 3, 4", None),
        ("(-1, 2, 3, 4)", None),
        (f"({'9' * 5000}, 2, 3, 4)", None),
        ("", None),
    ],
)
def test_boxes_are_read(text: str, box: list[int] | None) -> None:
    assert read_box(text) == box
    assert grounding_score(text, [0, 0, 10, 10]) >= 0


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('{"a": 1, "b ": " x "}', {"a": "1", "b": "x"}),
        ("{'a': 'x'}", {"a": "x"}),
        ('So:\n```json\n{"a": "x"}\n```\n{"b": 1}', {"a": "x"}),
        ("total: 12\ndate = today", {"total": "12", "date": "today"}),
        ("no pairs here", {}),
        ("[1, 2]", {}),
        ("{1: 2}", {}),
        ("null", {}),
        ("", {}),
    ],
)
def test_pairs_are_read(text: str, pairs: dict[str, str]) -> None:
    assert read_pairs(text) == pairs


def test_nothing_is_executed() -> None:
    assert read_pairs("{'a': __import__('os').getcwd()}") == {"a": "__import__("}


words = st.text(alphabet="abAB 1", min_size=1, max_size=5)
records = st.dictionaries(words, words, max_size=4)


@given(records)
def test_json_is_read_back(record: dict[str, str]) -> None:
    stripped = {key.strip(): value.strip() for key, value in record.items()}
    assert read_pairs(json.dumps(record)) == stripped
    assert read_pairs(f"```\n{json.dumps(record)}\n```") == stripped


@given(records, st.dictionaries(words, st.lists(words, min_size=1, max_size=3), max_size=3))
def test_pairs_score_the_best_combination(
    said: dict[str, str], wanted: dict[str, list[str]]
) -> None:
    """Against all combinations of accepted values, one after the other."""

    def plain(text: str) -> str:
        return text.lower().replace(" ", "")

    read = {key.strip(): value for key, value in said.items()}
    best = 0.0
    for values in itertools.product(*wanted.values()):
        gold = dict(zip(wanted, values, strict=True))
        keys = read.keys() | gold.keys()
        hits = sum(k in read and k in gold and plain(read[k]) == plain(gold[k]) for k in keys)
        best = max(best, hits / len(keys) if keys else 0)
    assert pairs_f1(json.dumps(said), wanted) == pytest.approx(best)


def test_pairs_need_values() -> None:
    assert pairs_f1("{}", {}) == 0
    assert pairs_f1('{"a": "x"}', {"a": []}) == 0
    assert pairs_f1('{"a": "X 1", "b": "y"}', {"a": ["x1", "z"]}) == 0.5


def test_position_is_half_text_and_half_box() -> None:
    box = [0, 0, 10, 10]
    assert position_score('{"answer": "stop", "bbox": [0, 0, 10, 10]}', ["stop"], box) == 1
    assert position_score('{"answer": "stop"}', ["stop"], box) == 0.5
    assert position_score('{"bbox": "[0, 0, 10, 10]"}', ["stop"], box) == 0.5
    assert position_score('{"bbox": "all of it"}', ["stop"], box) == 0
    assert position_score("stop", ["stop"], box) == 0


@given(answers)
def test_any_text_is_scored(text: str) -> None:
    assert 0 <= position_score(text, ["stop"], [0, 0, 10, 10]) <= 1
    assert 0 <= pairs_f1(text, {"A": ["12"]}) <= 1
    assert read_box(text) is None or max(read_box(text) or [0]) <= 1000


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_are_scored(text: str) -> None:
    assert pairs_f1(text, {"A": ["12"]}) in (0, 1)
    assert grounding_score(text, [0, 0, 10, 10]) == 0
    assert letters_equal(text, "B") in (0, 1)
