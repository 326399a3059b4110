"""Rows and pictures of TSV, CSV and JSON-lines files, and of folders of pictures."""

from __future__ import annotations

import csv
import io
import json
import pickle
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.data import describe, open_table
from harness.data.source import MISSING
from harness.errors import DataError, SpecError
from tests.data.toys import COLUMNS, png, png64, question, write_tsv


def test_rows_are_text_and_pictures_are_decoded(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(n) for n in range(3)]))
    rows = list(table)
    assert len(table) == 3
    assert table.columns == COLUMNS
    assert [row.number for row in rows] == [0, 1, 2]
    assert rows[1]["question"] == "What is in picture 1?"
    assert rows[1]["image"] == "(image)"
    assert rows[1].where == "t.tsv row 1"
    assert repr(rows[1]) == "<t.tsv row 1>"
    (image,) = table.images(2)
    assert (image.mode, image.size) == ("RGB", (8, 6))
    assert image.getpixel((0, 0)) == (0, 0, 2)


def test_rows_are_read_by_number_in_any_order(tmp_path: Path):
    rows = [question(n, question=f"{n}\n\tand\r\n{'x' * n}") for n in range(30)]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    for number in (29, 0, 13, 13, 5):
        assert table.row(number)["question"] == rows[number]["question"]
        assert table.row(number).number == number
    for number in (-1, 30):
        with pytest.raises(DataError, match=rf"t\.tsv has no row {number}"):
            table.row(number)


def test_missing_cells_are_empty(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1, A="", B="None", answer="N/A")]))
    row = table.row(0)
    assert (row["A"], row["B"], row["answer"]) == ("", "", "")
    assert row.value("B") == "None"
    assert (row.get("A"), row.get("A", "x"), row.get("hint", "y")) == ("", "x", "y")
    assert "hint" not in row
    with pytest.raises(DataError, match=r"t\.tsv row 0: no column 'hint'"):
        row["hint"]


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1)]))
    table.require("answer", "question")
    with pytest.raises(
        DataError, match=r"t\.tsv: no column 'questions', 'zzz'; it has 'index'"
    ) as e:
        table.require("answer", "questions", "zzz")
    assert e.value.remedy == "did you mean 'question'?"
    with pytest.raises(DataError, match="no column 'zzz'") as e:
        table.require("zzz")
    assert "the file that the benchmark publishes" in e.value.remedy


def test_a_table_can_be_sent_to_another_process(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1)]))
    assert pickle.loads(pickle.dumps(table)).row(0)["index"] == "1"


def test_two_passes_at_once_dont_disturb_each_other(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(n) for n in range(9)]))
    pairs = zip(table, table, strict=True)
    assert all(a["question"] == b["question"] for a, b in pairs)
    stopped = iter(table)
    next(stopped)
    stopped.close()
    assert len(table) == 9


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path):
    path = write_tsv(tmp_path / "t.tsv", [question(n) for n in range(3)])
    table = open_table(path)
    assert len(table) == 3
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DataError, match="changed while it was being read"):
        table.row(1)


def test_a_file_that_goes_meanwhile_is_noticed(tmp_path: Path):
    path = write_tsv(tmp_path / "t.tsv", [question(n) for n in range(3)])
    table = open_table(path)
    assert len(table) == 3
    path.unlink()
    with pytest.raises(DataError, match=r"t\.tsv can't be read: No such file"):
        table.row(1)
    with pytest.raises(DataError, match="can't be read"):
        next(iter(table))


# Text that pandas.read_csv and the csv module read alike: what upstream writes.
CELL = st.text(st.sampled_from(string.ascii_letters + " \"'\t\n,;\\é漢\u202e\x1b"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_cells_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    quoting: int,
    end: str,
    last: bool,
):
    path = tmp_path_factory.mktemp("t") / "t.tsv"
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t", quoting=quoting, lineterminator=end)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    text = buffer.getvalue()
    path.write_bytes((text if last else text.removesuffix(end)).encode())
    table = open_table(path)
    expected = [["" if cell in MISSING else cell for cell in row] for row in rows]
    assert [[row[name] for name in "abc"] for row in table] == expected
    assert [[table.row(n)[name] for name in "abc"] for n in range(len(rows))] == expected


def test_csv_has_commas_and_a_column_without_a_name(tmp_path: Path):
    (tmp_path / "t.csv").write_text(',question,A\n0,"One, or two?",x\n')
    table = open_table(tmp_path / "t.csv")
    assert table.columns == ("Unnamed: 0", "question", "A")
    assert table.row(0)["question"] == "One, or two?"


def test_json_lines_have_values_of_their_own(tmp_path: Path):
    lines = [
        {"question": "Q1", "choices": ["a", "b"], "n": 3, "image": png64()},
        {"question": "N/A", "hint": None, "right": True, "x": 1.5},
    ]
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    table = open_table(tmp_path / "t.jsonl")
    assert table.columns == ("question", "choices", "n", "image", "hint", "right", "x")
    first, second = table
    assert (first["choices"], first["n"], first.value("choices")) == ('["a","b"]', "3", ["a", "b"])
    assert (second["question"], second["hint"], second["right"], second["x"]) == (
        *("N/A", ""),
        *("true", "1.5"),
    )
    assert table.images(0)[0].size == (8, 6)
    table.require("hint")
    assert (first["hint"], first.value("hint"), "hint" in first) == ("", None, True)
    with pytest.raises(DataError, match=r"row 0: no column 'hunt'; it has 'question'"):
        first["hunt"]


def test_options_that_some_json_rows_lack_are_fewer_options(tmp_path: Path):
    lines = ['{"question": "Q1", "A": "x", "B": "y", "C": "z"}', '{"question": "Q2", "A": "x"}']
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    assert describe(open_table(tmp_path / "t.jsonl")).options == {"1": 1, "3": 1}


@pytest.mark.parametrize("line", ["{", "[1]", "null", '{"a": 1} x', "not json"])
def test_bad_json_lines_are_named(tmp_path: Path, line: str):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(DataError, match=r"t\.jsonl: row 1 isn't"):
        list(open_table(tmp_path / "t.jsonl"))


def test_a_torn_json_line_says_so(tmp_path: Path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": "tor')
    with pytest.raises(DataError, match=r"row 1 isn't JSON, and the file ends there"):
        list(open_table(tmp_path / "t.jsonl"))


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_folder_of_pictures_has_a_table(tmp_path: Path, form: str):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Ä 1.PNG").write_bytes(png("blue"))
    row = {"file_name": "sub/Ä 1.PNG", "question": "Which colour?"}
    text = json.dumps(row) if form == "jsonl" else f"{','.join(row)}\n{','.join(row.values())}\n"
    (tmp_path / f"metadata.{form}").write_text(text)
    table = open_table(tmp_path)
    assert table.row(0)["question"] == "Which colour?"
    assert table.images(0)[0].getpixel((0, 0)) == (0, 0, 255)


def test_a_folder_needs_one_table(tmp_path: Path):
    with pytest.raises(DataError, match=r"has neither metadata\.jsonl nor metadata\.csv"):
        open_table(tmp_path)
    for name in ("metadata.jsonl", "metadata.csv"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"has metadata\.jsonl and metadata\.csv"):
        open_table(tmp_path)


def test_unknown_formats_and_absent_files_are_refused(tmp_path: Path):
    (tmp_path / "t.xlsx").touch()
    with pytest.raises(SpecError, match=r"t\.xlsx isn't a table") as error:
        open_table(tmp_path / "t.xlsx")
    assert ".parquet" in error.value.remedy
    with pytest.raises(DataError, match="there is no data file"):
        open_table(tmp_path / "none.tsv")


def test_a_picture_beside_the_table_is_read_by_its_path(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(png("red"))
    (tmp_path / "2.png").write_bytes(png("blue"))
    rows = [question(1, image_path="1.png"), question(2, image_path="['1.png', '2.png']")]
    columns = [name for name in COLUMNS if name != "image"] + ["image_path"]
    for row in rows:
        del row["image"]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows, columns))
    assert table.images(0)[0].getpixel((0, 0)) == (255, 0, 0)
    assert [image.getpixel((0, 0))[2] for image in table.images(1)] == [0, 255]


def test_what_is_inside_wins_over_paths(tmp_path: Path):
    rows = [question(1, image_path="elsewhere/1.png")]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows, [*COLUMNS, "image_path"]))
    assert table.images(0)[0].size == (8, 6)


def test_numbered_columns_are_several_pictures_in_their_order(tmp_path: Path):
    columns = ["index", "image_10", "image_2", "image_1"]
    row = {"index": "1", "image_10": png64("blue"), "image_2": "", "image_1": png64("red")}
    table = open_table(write_tsv(tmp_path / "t.tsv", [row], columns))
    assert [i.getpixel((0, 0)) for i in table.images(0)] == [(255, 0, 0), (0, 0, 255)]


def test_transparency_palettes_and_grey_become_rgb(tmp_path: Path):
    modes = ["RGBA", "P", "L", "LA", "1", "CMYK", "I;16"]
    for mode in modes:
        name = f"{mode.replace(';', '')}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (3, 2)).save(tmp_path / name)
    names = sorted(path.name for path in tmp_path.iterdir())
    lines = "".join(f'{{"file_name": "{name}"}}\n' for name in names)
    (tmp_path / "metadata.jsonl").write_text(lines)
    table = open_table(tmp_path)
    assert [table.images(n)[0].mode for n in range(len(modes))] == ["RGB"] * len(modes)


def test_a_picture_is_turned_as_its_camera_was_held(tmp_path: Path):
    image = Image.new("RGB", (4, 2), "red")
    image.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "1.png", exif=exif)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.png"}')
    (turned,) = open_table(tmp_path).images(0)
    assert turned.size == (2, 4)
    assert turned.getpixel((1, 0)) == (0, 0, 255)
