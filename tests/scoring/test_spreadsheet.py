"""Type guessing of spreadsheet columns beyond the golden cases."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.spreadsheet import MISSING_MARKERS, roundtrip_column


@pytest.mark.parametrize(
    ("column", "back"),
    [
        ([], []),
        ([None, "A"], [None, "A"]),
        (["1e400", "1"], ["1e400", "1"]),
        (["inf", "1"], ["inf", "1.0"]),
        ([" 1", "2\n"], ["1", "2"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["\uff11", "2"], ["\uff11", "2"]),
        (["tRue", "true"], ["tRue", "true"]),
        (["true", ""], ["True", None]),
        (["true", "1"], ["true", "1"]),
        (["18446744073709551616", "1"], ["18446744073709551616", "1"]),
    ],
)
def test_columns_as_pandas_reads_them(column: list[str | None], back: list[str | None]) -> None:
    assert roundtrip_column(column) == back


@given(st.lists(st.text(max_size=8)))
def test_a_column_with_a_word_keeps_its_other_cells(cells: Any) -> None:
    back = roundtrip_column([*cells, "a word"])
    assert back == [None if cell in MISSING_MARKERS else cell for cell in [*cells, "a word"]]


@given(st.lists(st.one_of(st.none(), st.text(max_size=8), st.integers().map(str))))
def test_the_length_and_the_missing_cells_stay(cells: Any) -> None:
    back = roundtrip_column(cells)
    assert len(back) == len(cells)
    missing = [cell is None or cell in MISSING_MARKERS for cell in cells]
    assert [cell is None for cell in back] == missing
