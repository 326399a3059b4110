"""Rows and pictures of TSV, CSV and JSON-lines files."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data import open_table
from harness.errors import DataError
from tests.data.toys import png64, question, write_tsv


def test_rows_are_text_and_pictures_are_decoded(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(n) for n in range(3)]))
    rows = list(table)
    assert len(table) == 3
    assert [row.number for row in rows] == [0, 1, 2]
    assert rows[1]["question"] == "What is in picture 1?"
    assert rows[1]["image"] == "(image)"
    assert rows[1].where == "t.tsv row 1"
    (image,) = table.images(2)
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == (0, 0, 2)


def test_a_short_cell_is_the_index_of_another_row(tmp_path: Path):
    rows = [question(7), question(8, image="7"), question(9, image="8")]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert [table.images(n)[0].tobytes() for n in (1, 2)] == [table.images(0)[0].tobytes()] * 2
    assert table.row(2)["image"] == "8"


def test_a_list_holds_several_pictures(tmp_path: Path):
    cell = repr([png64("red"), png64("blue")])
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1, image=cell)]))
    assert [i.getpixel((0, 0)) for i in table.images(0)] == [(255, 0, 0), (0, 0, 255)]


def test_a_circle_of_references_is_an_error_of_that_row(tmp_path: Path):
    rows = [question(1, image="2"), question(2, image="1"), question(3)]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    with pytest.raises(DataError, match=r"t\.tsv row 0 \(index 1\): its image refers to itself"):
        table.images(0)
    assert table.images(2)


def test_a_missing_column_is_named(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1)]))
    with pytest.raises(DataError, match=r"t\.tsv: no column 'questions'; it has 'index'") as error:
        table.require("answer", "questions")
    assert "'question'" in error.value.remedy
