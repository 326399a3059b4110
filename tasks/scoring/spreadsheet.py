"""What happens to a column of strings that VLMEvalKit saves in a spreadsheet and reads again.

VLMEvalKit passes predictions through files before it scores them, and reading guesses types: "NA"
becomes a missing value (later the string "nan"), and in a column that holds nothing but numbers
"05" becomes "5". Scores taken with VLMEvalKit carry this; `roundtrip_column` reproduces it, so that
a comparison can separate it from the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["MISSING_MARKERS", "roundtrip_column"]

MISSING_MARKERS = frozenset(
    {
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip
"""Cells that pandas 2.2 reads as missing."""

_INTEGER = re.compile(r"[ \t]*[+-]?[0-9]+[ \t]*")
_NUMBER = re.compile(
    r"[ \t]*[+-]?((([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)|inf(inity)?)[ \t]*", re.IGNORECASE
)


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
    if not present:
        return kept
    if all(_INTEGER.fullmatch(cell) for cell in present):
        whole = len(present) == len(kept)
        return [
            None if cell is None else str(int(cell)) if whole else str(float(cell)) for cell in kept
        ]
    if all(_NUMBER.fullmatch(cell) for cell in present):
        return [None if cell is None else str(float(cell)) for cell in kept]
    if all(cell.lower() in {"true", "false"} for cell in present) and len(present) == len(kept):
        return [str(cell.lower() == "true") for cell in present]
    return kept
