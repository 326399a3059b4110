"""What happens to a column of strings that VLMEvalKit saves in a spreadsheet and reads again.

VLMEvalKit passes predictions through files before it scores them, and reading guesses types: "NA"
becomes a missing value (later the string "nan"), and in a column that holds nothing but numbers
"05" becomes "5". Scores taken with VLMEvalKit carry this; `roundtrip_column` reproduces it, so that
a comparison can separate it from the model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

__all__ = ["MISSING_MARKERS", "roundtrip_column"]

MISSING_MARKERS = frozenset(
    {
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip
"""Cells that pandas 2.2 reads as missing."""

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_DECIMAL = re.compile(
    r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*", re.ASCII | re.IGNORECASE
)
_INFINITE = re.compile(r"\s*[+-]?inf(inity)?\s*", re.ASCII | re.IGNORECASE)
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})


def roundtrip_column(cells: Sequence[str | None]) -> list[str | None]:
    """Pass a column of strings through a spreadsheet and back.

    As `dump` then `load` of open-compass/VLMEvalKit at commit e8e78f0 with pandas 2.2, then `str`
    of each cell that isn't missing.

    Args:
        cells: The column; None is a missing cell.

    Returns:
        The column as it comes back; None is a missing cell (whose `str` is "nan").

    Example:
        >>> roundtrip_column(["A", "N/A", "05"])
        ['A', None, '05']
        >>> roundtrip_column(["05", "7"]), roundtrip_column(["05", ""])
        (['5', '7'], ['5.0', None])
    """
    kept = [None if cell is None or cell in MISSING_MARKERS else cell for cell in cells]
    present = [cell for cell in kept if cell is not None]
    convert = _conversion(present, missing=len(present) < len(kept))
    return [None if cell is None else convert(cell) for cell in kept]


def _conversion(present: Sequence[str], *, missing: bool) -> Callable[[str], str]:
    """What a column's type does to each of its cells."""
    if present and all(_INTEGER.fullmatch(cell) for cell in present):
        # Missing values have no integer type, so they make the column one of floats.
        return (lambda cell: str(float(cell))) if missing else (lambda cell: str(int(cell)))
    if present and all(_is_number(cell) for cell in present):
        return lambda cell: str(float(cell))
    if all(cell in _TRUE | _FALSE for cell in present):
        return lambda cell: str(cell in _TRUE)
    return str


def _is_number(cell: str) -> bool:
    if _INFINITE.fullmatch(cell):
        return True
    return _DECIMAL.fullmatch(cell) is not None and math.isfinite(float(cell))
