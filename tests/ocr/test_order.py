"""Boxes to lines: any order in, one order out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.judges.ocr import Reading, TextBox, reading_order

SIDES = st.floats(0, 500, allow_nan=False)


@st.composite
def boxes(draw: st.DrawFn) -> TextBox:
    x, y = draw(SIDES), draw(SIDES)
    width, height = draw(st.floats(0, 200)), draw(st.floats(0, 60))
    text = draw(st.text(min_size=1, max_size=5))
    return TextBox(text=text, confidence=draw(st.floats(0, 1)), box=(x, y, x + width, y + height))


def at(text: str, x: float, y: float, height: float = 10) -> TextBox:
    return TextBox(text=text, confidence=1.0, box=(x, y, x + 20, y + height))


def texts(*found: TextBox) -> list[list[str]]:
    return [[box.text for box in line] for line in reading_order(found)]


@given(st.lists(boxes(), max_size=12), st.randoms(use_true_random=False))
def test_every_box_is_in_one_line_whatever_the_order(found: list[TextBox], dice: random.Random):
    lines = reading_order(found)
    assert sorted(box for line in lines for box in _keys(line)) == sorted(_keys(found))
    assert all(lines)
    shuffled = list(found)
    dice.shuffle(shuffled)
    assert reading_order(shuffled) == lines


def _keys(found: object) -> list[tuple[object, ...]]:
    return [(*box.box, box.text, box.confidence) for box in found]  # type: ignore[attr-defined]


@given(st.integers(1, 5), st.integers(1, 5), st.floats(-2, 2))
def test_a_grid_reads_row_by_row(rows: int, columns: int, jitter: float):
    found = [
        at(f"{row},{column}", 30 * column, 20 * row + jitter * (column % 2))
        for column in range(columns)
        for row in range(rows)
    ]
    wanted = [[f"{row},{column}" for column in range(columns)] for row in range(rows)]
    assert texts(*found) == wanted


def test_lines_of_a_box_are_from_the_left_and_lines_from_the_top():
    assert texts(at("c", 0, 40), at("b", 50, 1), at("a", 0, 0)) == [["a", "b"], ["c"]]


@pytest.mark.parametrize(("shift", "lines"), [(0, 1), (5, 1), (5.1, 2), (10, 2), (30, 2)])
def test_half_of_the_height_makes_a_line(shift: float, lines: int):
    assert len(texts(at("a", 0, 0), at("b", 30, shift))) == lines


def test_a_small_box_beside_a_large_one_is_on_its_line():
    large = at("50", 0, 0, height=60)
    assert texts(large, at("%", 40, 5, height=12)) == [["50", "%"]]
    assert texts(large, at("%", 40, 40, height=12)) == [["50", "%"]]
    assert texts(large, at("below", 0, 58, height=12)) == [["50"], ["below"]]


def test_boxes_without_height_are_lines_of_their_own():
    assert texts(at("a", 0, 3, height=0), at("b", 30, 3, height=0)) == [["a"], ["b"]]


def test_a_readings_text_has_spaces_and_newlines():
    reading = Reading(lines=reading_order([at("no", 0, 0), at("way", 40, 0), at("out", 0, 30)]))
    assert reading.text == "no way\nout"
    assert [box.text for box in reading.boxes] == ["no", "way", "out"]
    assert Reading().text == ""
    assert Reading().boxes == ()
