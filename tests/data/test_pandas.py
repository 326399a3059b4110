"""TSV files are read as pandas reads them: recorded cases, and pandas where it's installed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.data import open_table
from harness.data.source import MISSING
from harness.errors import DataError

# What `pandas.read_csv(file, sep="\t", dtype=str)` of pandas 3.1.1 makes of each text.
RECORDED = {
    "quote inside a cell": ('a\tb\n5" or 6"\tx"y"z\n', [["a", "b"], ['5" or 6"', 'x"y"z']]),
    "doubled quotes": ('a\tb\n"say ""hi"""\t""\n', [["a", "b"], ['say "hi"', ""]]),
    "text behind a closing quote": ('a\tb\n"q"r"s"\tx\n', [["a", "b"], ['qr"s"', "x"]]),
    "newline and tab in quotes": (
        'a\tb\n"1\t2\n3"\t"4\r\n5"\n',
        [["a", "b"], ["1\t2\n3", "4\r\n5"]],
    ),
    "blank lines and lines of spaces": (
        "a\tb\n\n1\t2\n   \n\t\n\r\n3\t4\n",
        [["a", "b"], ["1", "2"], ["", ""], ["3", "4"]],
    ),
    "short rows": (
        "a\tb\tc\n1\n2\t3\n4\t5\t6\n",
        [["a", "b", "c"], ["1", "", ""], ["2", "3", ""], ["4", "5", "6"]],
    ),
    "missing": (
        'a\tb\nNone\tnone\nN/A\t"NA"\n<NA>\tnull \n',
        [["a", "b"], ["", "none"], ["", ""], ["", "null "]],
    ),
    "spaces stay": ("a\tb\n x \t y\n", [["a", "b"], [" x ", " y"]]),
    "windows": ("a\tb\r\n1\t2\r\n", [["a", "b"], ["1", "2"]]),
    "no name": ("\ta\n0\t1\n", [["Unnamed: 0", "a"], ["0", "1"]]),
    "mark": ("\ufeffa\tb\n1\t2\n", [["a", "b"], ["1", "2"]]),
    "no last end": ("a\tb\n1\t2", [["a", "b"], ["1", "2"]]),
}


def read(path: Path) -> list[list[str]]:
    table = open_table(path)
    return [list(table.columns), *([row[name] for name in table.columns] for row in table)]


@pytest.mark.parametrize("case", RECORDED)
def test_recorded_cases(tmp_path: Path, case: str):
    text, expected = RECORDED[case]
    (tmp_path / "t.tsv").write_bytes(text.encode())
    assert read(tmp_path / "t.tsv") == expected


PIECES = [
    "a",
    "b",
    '"',
    '""',
    "\t",
    "\t",
    "\n",
    "\r\n",
    "\r",
    " ",
    "N/A",
    "None",
    'x"y',
    '"q"',
    "\n\n",
]


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
def test_pandas_agrees_or_we_refuse(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]):
    """Where both read a file they read the same; we refuse some that pandas reads somehow.

    After a carriage return alone, pandas swallows a tab. Such rows are broken either way.
    """
    pandas = pytest.importorskip("pandas", reason="the reference isn't here: pip install pandas")
    text = "c1\tc2\tc3\n" + "".join(pieces) + "\n"
    assume("\r\t" not in text)
    path = tmp_path_factory.mktemp("t") / "t.tsv"
    path.write_bytes(text.encode())
    try:
        ours = read(path)
    except DataError:
        return
    frame = pandas.read_csv(io.StringIO(text, newline=""), sep="\t", dtype=str)
    assert ours == [list(frame.columns), *frame.fillna("").to_numpy().tolist()]


def test_missing_strings_are_pandas_own():
    parsers = pytest.importorskip(
        "pandas._libs.parsers", reason="the reference isn't here: pip install pandas"
    )
    assert {*MISSING, ""} == parsers.STR_NA_VALUES
