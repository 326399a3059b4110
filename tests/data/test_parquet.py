"""Parquet files: streamed in batches, pictures in the layouts that publishers use."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data import describe, open_table
from harness.errors import DataError
from tests.data.toys import png, png64

COLOURS = ["red", "lime", "blue", "white", "black"]
RGB = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]


def write(path: Path, rows: list[dict[str, Any]], group: int = 2) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


def struct(colour: str) -> dict[str, Any]:
    return {"bytes": png(colour), "path": f"{colour}.png"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = [
        {"index": n, "question": f"Q{n}", "image": struct(colour), "hint": None}
        for n, colour in enumerate(COLOURS)
    ]
    return write(tmp_path / "t.parquet", rows)


def test_rows_are_streamed_and_read_by_number(path: Path):
    table = open_table(path)
    assert (len(table), table.columns) == (5, ("index", "question", "image", "hint"))
    assert [row["question"] for row in table] == [f"Q{n}" for n in range(5)]
    assert [table.row(n)["index"] for n in (4, 0, 1, 1, 3)] == ["4", "0", "1", "1", "3"]
    assert {(row["image"], row["hint"]) for row in table} == {("(image)", "")}


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 2, 0, 4, 2)])
def test_pictures_are_found_in_any_order(path: Path, order: tuple[int, ...]):
    table = open_table(path)
    for number in order:
        assert table.images(number)[0].getpixel((0, 0)) == RGB[number]


def test_a_table_can_be_sent_to_another_process(path: Path):
    table = open_table(path)
    table.row(1)
    assert pickle.loads(pickle.dumps(table)).row(4)["index"] == "4"


def test_streaming_without_pictures_doesnt_read_them(path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[list[str]] = []
    real = pq.ParquetFile.iter_batches

    def watched(file: Any, *, columns: list[str], **others: Any) -> Any:
        asked.append(columns)
        return real(file, columns=columns, **others)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    list(open_table(path))
    assert {"image" in columns for columns in asked} == {False}
    asked.clear()
    describe(open_table(path))
    assert {"image" in columns for columns in asked} == {True}


def test_a_missing_picture_shows_in_its_row(tmp_path: Path):
    rows = [{"index": 0, "image": struct("red")}, {"index": 1, "image": None}]
    table = open_table(write(tmp_path / "t.parquet", rows))
    assert [row["image"] for row in table] == ["(image)", ""]
    with pytest.raises(DataError, match=r"t\.parquet row 1 \(index 1\): its image is empty"):
        table.images(1)


LAYOUTS = {
    "numbered": {"image_1": struct("red"), "image_2": struct("blue"), "image_3": None},
    "list": {"images": [struct("red"), struct("blue")]},
    "binary": {"image": png("red"), "image_2": png("blue")},
    "base64": {"image_1": png64("red"), "image_2": png64("blue")},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_several_pictures(tmp_path: Path, layout: str):
    # Both rows have every column, so that pyarrow knows the types.
    full = {"image_3": struct("lime")} if layout == "numbered" else {}
    rows = [LAYOUTS[layout], {**LAYOUTS[layout], **full}]
    table = open_table(write(tmp_path / "t.parquet", rows))
    assert [i.getpixel((0, 0)) for i in table.images(0)] == [RGB[0], RGB[2]]


def test_a_picture_may_be_another_rows(tmp_path: Path):
    rows = [{"index": "a", "image": png64("red")}, {"index": "b", "image": "a"}]
    table = open_table(write(tmp_path / "t.parquet", rows))
    assert [row["image"] for row in table] == ["(image)", "a"]
    assert table.images(1)[0].getpixel((0, 0)) == RGB[0]


def test_a_struct_may_name_a_file_beside_the_table(tmp_path: Path):
    (tmp_path / "x.png").write_bytes(png("blue"))
    rows = [{"image": {"bytes": None, "path": "x.png"}}, {"image": struct("red")}]
    table = open_table(write(tmp_path / "t.parquet", rows))
    assert table.images(0)[0].getpixel((0, 0)) == RGB[2]


def test_no_strings_of_pandas_are_missing(tmp_path: Path):
    table = open_table(write(tmp_path / "t.parquet", [{"question": "None", "A": "N/A"}]))
    assert (table.row(0)["question"], table.row(0)["A"]) == ("None", "N/A")


def test_lists_and_numbers_become_text(tmp_path: Path):
    rows = [{"options": ["a", "b"], "score": 0.5, "yes": True}]
    row = open_table(write(tmp_path / "t.parquet", rows)).row(0)
    assert (row["options"], row["score"], row["yes"]) == ('["a","b"]', "0.5", "true")


def test_damage_is_named(path: Path):
    whole = path.read_bytes()
    for data in (b"", b"PAR1", whole[:-20], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="can't be read as Parquet"):
            len(open_table(path))


def test_an_empty_table_has_columns(tmp_path: Path):
    schema = pa.schema([("question", pa.string())])
    pq.write_table(pa.Table.from_pylist([], schema=schema), tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet")
    assert (len(table), table.columns, list(table)) == (0, ("question",), [])
