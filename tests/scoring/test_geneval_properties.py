"""What GenEval's verdict must not depend on, and what it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.geneval import (
    RELATIONS,
    TAGS,
    Detection,
    FilterOptions,
    ImageResult,
    Judgement,
    compute_iou,
    evaluate_detections,
    keep_rows,
    parse_prompt,
    relative_position,
    select_detections,
    summary_scores,
)
from tasks.scoring.geneval.ordering import rank_descending

Box = tuple[int, int, int, int]
Rows = Mapping[str, Sequence[tuple[float, ...]]]

CLASSES = ("cow", "dog")
WIDTH = 512
MIRROR = {"left of": "right of", "right of": "left of", "above": "above", "below": "below"}
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

coordinate = st.integers(0, WIDTH)
box = st.tuples(coordinate, coordinate, coordinate, coordinate).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)
# Multiples of 1/1024 are exact in float32, and distinct ones stay distinct.
scores = st.lists(st.integers(1, 1023).map(lambda n: n / 1024), unique=True, max_size=24)


@st.composite
def class_rows(draw: st.DrawFn) -> list[tuple[float, ...]]:
    return [(*draw(box), score) for score in draw(scores)]


detections = st.fixed_dictionaries({name: class_rows() for name in CLASSES})


@st.composite
def prompts(draw: st.DrawFn) -> dict[str, Any]:
    first: dict[str, Any] = {
        "class": draw(st.sampled_from(CLASSES)),
        "count": draw(st.integers(1, 3)),
    }
    second: dict[str, Any] = {
        "class": draw(st.sampled_from(CLASSES)),
        "count": draw(st.integers(1, 2)),
    }
    if draw(st.booleans()):
        second["color"] = draw(st.sampled_from(("red", "blue")))
    if draw(st.booleans()):
        second["position"] = [draw(st.sampled_from(RELATIONS)), 0]
    exclude = [{"class": first["class"], "count": first["count"] + 1}]
    return {
        "tag": draw(st.sampled_from(TAGS)),
        "include": [first, second],
        "exclude": exclude if draw(st.booleans()) else [],
        "prompt": "p",
    }


def color_of_score(_: str, found: Sequence[Detection]) -> list[str]:
    return ["red" if round(item.score * 1024) % 2 else "blue" for item in found]


def judge(metadata: dict[str, Any], rows: Rows, **options: Any) -> Judgement:
    return evaluate_detections(
        parse_prompt(metadata), rows, color_of_score, options=FilterOptions(**options)
    )


@given(prompts(), detections, st.randoms(use_true_random=False), st.sampled_from((1.0, 0.5)))
def test_permuting_detections_of_distinct_scores_changes_nothing(
    metadata: dict[str, Any], rows: Rows, random: Random, overlap: float
) -> None:
    shuffled = {name: random.sample(found, len(found)) for name, found in rows.items()}
    assert judge(metadata, shuffled, max_overlap=overlap) == judge(
        metadata, rows, max_overlap=overlap
    )


@given(prompts(), detections, st.lists(st.tuples(box, st.floats(0, 0.25)), max_size=5))
def test_boxes_under_the_threshold_change_nothing(
    metadata: dict[str, Any], rows: Rows, faint: list[tuple[Box, float]]
) -> None:
    extra = [(*corners, score) for corners, score in faint]
    padded = {name: [*extra, *found] for name, found in rows.items()}
    assert judge(metadata, padded) == judge(metadata, rows)


def mirrored(metadata: dict[str, Any]) -> dict[str, Any]:
    include = []
    for clause in metadata["include"]:
        swapped = dict(clause)
        if "position" in swapped:
            relation, target = swapped["position"]
            swapped["position"] = [MIRROR[relation], target]
        include.append(swapped)
    return {**metadata, "include": include}


@given(prompts(), detections)
def test_mirroring_with_left_and_right_swapped_keeps_the_verdict(
    metadata: dict[str, Any], rows: Rows
) -> None:
    flipped = {
        name: [(WIDTH - x1, y0, WIDTH - x0, y1, score) for x0, y0, x1, y1, score in found]
        for name, found in rows.items()
    }
    original, mirror = judge(metadata, rows), judge(mirrored(metadata), flipped)
    assert mirror.correct == original.correct
    assert [f.kind for f in mirror.failures] == [f.kind for f in original.failures]


def test_mirroring_without_swapping_flips_a_clear_verdict() -> None:
    metadata = {
        "tag": "position",
        "include": [
            {"class": "cow", "count": 1},
            {"class": "dog", "count": 1, "position": ["left of", 0]},
        ],
        "prompt": "a photo of a dog left of a cow",
    }
    rows = {"cow": [(300, 0, 350, 50, 0.75)], "dog": [(0, 0, 50, 50, 0.75)]}
    flipped = {
        name: [(WIDTH - x1, y0, WIDTH - x0, y1, score) for x0, y0, x1, y1, score in found]
        for name, found in rows.items()
    }
    assert judge(metadata, rows).correct
    failed = judge(metadata, flipped)
    assert [f.kind for f in failed.failures] == ["position"]
    assert failed.failures[0].relations == ("right of",)


@given(prompts(), detections)
def test_reason_is_empty_exactly_if_correct(metadata: dict[str, Any], rows: Rows) -> None:
    judgement = judge(metadata, rows)
    assert judgement.correct == (judgement.reason == "") == (not judgement.failures)
    assert len(judgement.failures) <= 3


@given(box, box)
def test_relation_of_a_to_b_is_the_inverse_of_b_to_a(first: Box, second: Box) -> None:
    there = relative_position(first, second)
    back = relative_position(second, first)
    assert {INVERSE[relation] for relation in there} == set(back)


@given(box, box)
def test_iou_is_symmetric_and_bounded(first: Box, second: Box) -> None:
    assert compute_iou(first, second) == compute_iou(second, first)
    assert 0 <= compute_iou(first, second) <= 1
    assert compute_iou(first, first) == 1


@given(st.lists(st.integers(0, 5), max_size=60))
def test_ranking_sorts(values: list[int]) -> None:
    order = rank_descending(values)
    assert sorted(order) == list(range(len(values)))
    assert [values[row] for row in order] == sorted(values, reverse=True)


@given(st.lists(st.integers(0, 5), max_size=16))
def test_ranking_of_few_puts_the_later_of_equals_first(values: list[int]) -> None:
    stable: npt.NDArray[np.int64] = np.argsort(np.array(values, dtype=float), kind="stable")
    assert rank_descending(values) == stable[::-1].tolist()


def test_ranking_of_17_with_equals_is_what_numpy_1_23_gives() -> None:
    # Recorded from np.argsort of numpy 1.23.5 on float32; 17 rows are the fewest it partitions.
    values = [2, 1, 2, 1, 1, 2, 1, 1, 0, 0, 1, 0, 0, 1, 2, 0, 1]
    ascending = [8, 12, 11, 9, 15, 13, 10, 16, 6, 4, 3, 1, 7, 5, 2, 14, 0]
    assert rank_descending(values) == ascending[::-1]


@given(st.lists(st.integers(), unique=True, min_size=17, max_size=200))
def test_ranking_of_many_distinct_values_is_numpys(values: list[int]) -> None:
    expected = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    assert rank_descending(values) == expected


@given(class_rows(), st.integers(1, 16))
def test_at_most_max_objects_are_kept_and_they_are_the_best(
    rows: list[tuple[float, ...]], limit: int
) -> None:
    kept = keep_rows(rows, threshold=0.3, max_objects=limit)
    above = sorted((row[4] for row in rows if row[4] > 0.3), reverse=True)
    assert [rows[index][4] for index in kept] == above[:limit]


@given(class_rows(), st.floats(0.0, 0.99))
def test_kept_boxes_overlap_less_than_the_limit(
    rows: list[tuple[float, ...]], limit: float
) -> None:
    kept = keep_rows(rows, threshold=0.3, max_overlap=limit)
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    pairs = [(a, b) for place, a in enumerate(kept) for b in kept[:place]]
    assert all(compute_iou(table[a], table[b]) < limit for a, b in pairs)


def test_threshold_is_compared_in_float32() -> None:
    rows = [[0, 0, 9, 9, np.float32(0.3)], [0, 0, 9, 9, np.nextafter(np.float32(0.3), 1)]]
    assert keep_rows(rows, threshold=0.3) == [1]


def test_counting_prompts_use_their_own_threshold() -> None:
    rows = {"cow": [[0, 0, 9, 9, 0.8], [0, 0, 9, 9, 0.95]]}
    assert len(select_detections(rows, "two_object")["cow"]) == 2
    assert [item.row for item in select_detections(rows, "counting")["cow"]] == [1]


results = st.lists(
    st.builds(
        ImageResult,
        tag=st.sampled_from(TAGS),
        prompt=st.sampled_from("abcd"),
        correct=st.booleans(),
    ),
    min_size=1,
)


@given(results, st.randoms(use_true_random=False))
def test_summary_does_not_depend_on_the_order(images: list[ImageResult], random: Random) -> None:
    one, other = summary_scores(images), summary_scores(random.sample(images, len(images)))
    assert one.task_scores == other.task_scores
    assert one.overall == pytest.approx(other.overall)
    assert one.image_accuracy == other.image_accuracy
    assert one.prompt_accuracy == other.prompt_accuracy
    assert one.n_images == len(images)


@given(results)
def test_summary_overall_lies_between_the_tasks(images: list[ImageResult]) -> None:
    summary = summary_scores(images)
    values = list(summary.task_scores.values())
    assert min(values) - 1e-12 <= summary.overall <= max(values) + 1e-12


def test_overall_weighs_skills_not_images() -> None:
    images = [ImageResult(tag="counting", prompt="a", correct=False)] * 9
    images.append(ImageResult(tag="colors", prompt="b", correct=True))
    summary = summary_scores(images)
    assert summary.overall == 0.5
    assert summary.image_accuracy == 0.1
