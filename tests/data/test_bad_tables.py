"""Bad files are refused where they're bad; bad pictures spoil their row alone."""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.data import Kind, check, open_table
from harness.data.lines import MAX_RECORD
from harness.errors import DataError
from tests.data.toys import png, png64, question, write_tsv

HEAD = b"index\tquestion\timage\n"


def write(folder: Path, data: bytes) -> Path:
    path = folder / "t.tsv"
    path.write_bytes(data)
    return path


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path):
    table = open_table(write(tmp_path, b"\xef\xbb\xbf" + HEAD + b"1\tWhat?\t\n"))
    assert table.columns[0] == "index"
    assert table.row(0)["index"] == "1"


def test_windows_line_ends_and_blank_lines_are_no_content(tmp_path: Path):
    table = open_table(write(tmp_path, b"\r\na\tb\r\n\r\n1\t2\r\n\n3\t4\r\n\r\n"))
    assert [(row["a"], row["b"]) for row in table] == [("1", "2"), ("3", "4")]
    assert table.row(1)["b"] == "4"


def test_an_empty_file_has_no_header(tmp_path: Path):
    for data in (b"", b"\n\r\n", b"\xef\xbb\xbf"):
        with pytest.raises(DataError, match=r"t\.tsv: the header is missing: the file is empty"):
            list(open_table(write(tmp_path, data)))


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path):
    table = open_table(write(tmp_path, HEAD))
    assert (len(table), list(table)) == (0, [])


def test_nul_bytes_are_placed(tmp_path: Path):
    table = open_table(write(tmp_path, HEAD + b"1\tfine\t\n2\tda\0maged\t\n"))
    with pytest.raises(DataError, match=r"t\.tsv: row 1 has a NUL byte at byte 33 of the file"):
        list(table)


def test_what_isnt_utf8_is_placed_with_a_remedy(tmp_path: Path):
    table = open_table(write(tmp_path, HEAD + "1\tcafé\t\n".encode("latin-1")))
    with pytest.raises(DataError, match=r"row 0 isn't UTF-8 text at byte 26") as error:
        list(table)
    assert "iconv" in error.value.remedy
    with pytest.raises(DataError, match=r"isn't UTF-8|NUL byte"):
        list(open_table(write(tmp_path, "index\tquestion\n1\tx\n".encode("utf-16"))))


@pytest.mark.parametrize("tail", [b"2\tWhat", b"2", b'2\t"What?', b'2\t"What?\n'])
def test_a_broken_last_line_is_a_broken_file(tmp_path: Path, tail: bytes):
    table = open_table(write(tmp_path, HEAD + b"1\tWhat?\t\n" + tail))
    with pytest.raises(DataError, match=r"row 1 is broken off: the file ends within it") as error:
        list(table)
    assert "fetch the file again" in error.value.remedy


def test_a_short_row_in_the_middle_lacks_its_last_cells(tmp_path: Path):
    table = open_table(write(tmp_path, HEAD + b"1\tWhat?\n2\tWho?\tx\n"))
    assert [row["image"] for row in table] == ["", "x"]


def test_a_long_row_is_refused(tmp_path: Path):
    table = open_table(write(tmp_path, HEAD + b"1\tWhat?\tx\ty\n"))
    with pytest.raises(DataError, match=r"t\.tsv: row 0 has 4 cells, the header 3"):
        list(table)


def test_two_columns_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="the header has a column twice: a"):
        list(open_table(write(tmp_path, b"a\tb\ta\n1\t2\t3\n")))


def test_a_carriage_return_alone_ends_a_row_outside_quotes(tmp_path: Path):
    """As in pandas, whose writer doesn't quote it: both halves are short rows, and are found."""
    table = open_table(write(tmp_path, HEAD + b'1\tWh\rat?\t\n"2"\t"Wh\ro?"\tx\r3\ty\tz\r\n'))
    rows = [[row[name] for name in table.columns] for row in table]
    assert rows == [["1", "Wh", ""], ["at?", "", ""], ["2", "Wh\ro?", "x"], ["3", "y", "z"]]
    assert [table.row(n)["index"] for n in range(4)] == ["1", "at?", "2", "3"]
    found = [(f.row, f.what) for f in check(table) if f.kind is Kind.SHORT_ROW]
    assert found == [(0, "the row ends before image"), (1, "the row ends before image")]


def test_a_file_of_an_old_macintosh_is_read(tmp_path: Path):
    table = open_table(write(tmp_path, b"a\tb\r1\t2\r\r3\t4\r"))
    assert [(row["a"], row["b"]) for row in table] == [("1", "2"), ("3", "4")]
    assert table.row(1)["b"] == "4"


def test_a_quote_inside_a_cell_is_a_character(tmp_path: Path):
    table = open_table(write(tmp_path, HEAD + b'1\t5" or 6"?\t"a""b"c"\n'))
    assert (table.row(0)["question"], table.row(0)["image"]) == ('5" or 6"?', 'a"bc"')


def test_cells_of_ten_megabytes_are_read_and_the_csv_limit_is_left_alone(tmp_path: Path):
    before = csv.field_size_limit()
    long = "A" * 10_000_000
    rows = [question(1, hint=long), question(2, hint=f'"{long}\n')]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows, [*question(1), "hint"]))
    assert [len(row["hint"]) for row in table] == [10_000_000, 10_000_002]
    assert len(table.row(1)["hint"]) == 10_000_002
    assert csv.field_size_limit() == before


def test_the_csv_limit_is_put_back_after_an_error(tmp_path: Path):
    before = csv.field_size_limit()
    with pytest.raises(DataError):
        list(open_table(write(tmp_path, HEAD + b'1\t"\xff')))
    assert csv.field_size_limit() == before


def test_a_quote_that_is_never_closed_isnt_read_to_the_end_of_a_huge_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harness.data.lines.MAX_RECORD", 1000)
    data = HEAD + b'1\t"open\t\n' + b"2\tfine\t\n" * 1000
    with pytest.raises(DataError, match="row 0 is longer than") as error:
        list(open_table(write(tmp_path, data)))
    assert "never closed" in error.value.remedy
    assert MAX_RECORD == 1 << 28


def test_right_to_left_and_control_characters_are_kept(tmp_path: Path):
    text = "\u202eabc\u200f \x1b[31m\x07\x0b\x85\u2028 שלום"
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1, question=text)]))
    assert table.row(0)["question"] == text
    assert len(table) == 1


BAD = {
    "": "is empty",
    "None": "is empty",
    "99": "refers to index '99', which no row has",
    "x" * 65: r"isn't base64|is no picture",
    png64()[:-7] + "=": r"isn't base64",
    png64()[:90] + "!" * 9: "isn't base64",
    base64.b64encode(b"x" * 90).decode(): "is no picture",
    base64.b64encode(png(size=(90, 90))[:-60]).decode(): "is no picture",
    "[": "refers to index",
    "['a', ": "refers to index",
    "[__import__('os').getcwd()]": "isn't a list of pictures",
    "['a', {}]": "isn't a list of texts",
    "[" * 40 + "]" * 40: "isn't a list of (texts|pictures)",
    "../t.png": r"names \.\./t\.png, which is outside",
    "/etc/hostname.png": "names /etc/hostname.png, which is outside",
    "none.png": "names none.png, which can't be read: No such file",
    "2": "refers to itself through rows 0",
}


@pytest.mark.parametrize(("cell", "what"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_picture_is_an_error_of_its_row_alone(tmp_path: Path, cell: str, what: str):
    rows = [question(2, image=cell), question(3)]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert [row["question"] for row in table] == [row["question"] for row in rows]
    with pytest.raises(DataError, match=rf"t\.tsv row 0 \(index 2\): its image ({what})") as error:
        table.images(0)
    assert error.value.remedy
    assert table.images(1)


def test_references_may_lead_through_several_rows(tmp_path: Path):
    rows = [question(9, image="8"), question(8, image=" 7.0 "), question(7)]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert table.images(0)[0].getpixel((0, 0)) == (0, 0, 7)
    assert table.row(0)["image"] == "8"


def test_a_circle_of_references_is_named(tmp_path: Path):
    rows = [question(1, image="2"), question(2, image="3"), question(3, image="1"), question(4)]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    with pytest.raises(DataError, match=r"\(index 2\): its image refers to itself .* 1, 2, 0"):
        table.images(1)
    assert table.images(3)


def test_a_list_may_hold_references(tmp_path: Path):
    rows = [question(1), question(2, image=repr(["1", png64("red")]))]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    assert [image.getpixel((0, 0)) for image in table.images(1)] == [(0, 0, 1), (255, 0, 0)]


def test_a_reference_to_an_index_of_two_rows_is_ambiguous(tmp_path: Path):
    rows = [question(5), question(5, image=png64("red")), question(6, image="5")]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    with pytest.raises(DataError, match=r"index '5', which 2 rows have \(the first: 0, 1\)"):
        table.images(2)
    assert table.images(0)[0].tobytes() != table.images(1)[0].tobytes()


def test_a_decompression_bomb_isnt_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1)]))
    assert table.images(0)
    for pixels in (40, 20):  # Pillow warns above the limit and refuses above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
        fresh = open_table(tmp_path / "t.tsv")
        with pytest.raises(DataError, match="its image is too large") as error:
            fresh.images(0)
        assert "MAX_IMAGE_PIXELS" in error.value.remedy


def test_pictures_are_the_callers_own(tmp_path: Path):
    table = open_table(write_tsv(tmp_path / "t.tsv", [question(1), question(2, image="1")]))
    table.images(0)[0].putpixel((0, 0), (9, 9, 9))
    assert table.images(1)[0].getpixel((0, 0)) == (0, 0, 1)


def test_a_picture_that_rows_share_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from harness.data import pictures

    decoded = []
    real = pictures.decode
    monkeypatch.setattr(pictures, "decode", lambda data: decoded.append(1) or real(data))
    rows = [question(n, image=png64() if n % 2 else "1") for n in range(1, 9)]
    table = open_table(write_tsv(tmp_path / "t.tsv", rows))
    for number in range(8):
        table.images(number)
    assert len(decoded) == 1
    others = [question(n) for n in range(20)]
    table = open_table(write_tsv(tmp_path / "u.tsv", others))
    for number in (*range(20), 0):
        table.images(number)
    assert len(decoded) == 1 + 21


def data_error(call: Callable[[], object]) -> DataError | None:
    """The error that a call raises; anything but a DataError fails the test."""
    try:
        call()
    except DataError as error:
        return error
    return None


def read_twice(path: Path) -> None:
    """Streamed and by number, rows are the same."""
    table = open_table(path)
    rows = [row.value("index") for row in table]
    assert [table.row(number).value("index") for number in range(len(rows))] == rows


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=120), header=st.booleans())
def test_any_bytes_are_rows_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, *, header: bool
):
    folder = tmp_path_factory.mktemp("t")
    for name in ("t.tsv", "t.csv", "t.jsonl"):
        (folder / name).write_bytes((HEAD if header else b"") + data)
        error = data_error(lambda path=folder / name: read_twice(path))
        assert error is None or error.remedy


@settings(max_examples=100, deadline=None)
@given(cell=st.text(max_size=90) | st.text("[]'\",0123456789AQ=/+.png ", max_size=90))
def test_any_cell_is_a_picture_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, cell: str):
    if "\0" in cell or any("\ud800" <= character <= "\udfff" for character in cell):
        return
    path = tmp_path_factory.mktemp("t") / "t.tsv"
    table = open_table(write_tsv(path, [question(1, image=cell)], quoting=csv.QUOTE_ALL))
    error = data_error(lambda: table.images(0))
    assert error is not None
    assert error.remedy
    assert "t.tsv row 0 (index 1): its image" in error.what
