"""Where rows come from: what every file format offers, and how values become text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from harness.errors import DataError
from harness.records import canonical_json

__all__ = ["MISSING", "Record", "Snapshot", "Source", "as_text"]

Record = Mapping[str, Any]
"""Values by column: text, JSON values, or for images `{"bytes": ..., "path": ...}`."""

MISSING = frozenset(
    (
        *("NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "<NA>"),
        *("NaN", "nan", "-NaN", "-nan", "NULL", "null", "None"),
        *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    )
)
"""Cells of TSV and CSV files that `pandas.read_csv` takes for missing, besides the empty one
(`STR_NA_VALUES` of pandas 2 and 3). Published prompts were built without these cells."""


class Source(Protocol):
    """Rows of one data set, streamed and by number."""

    name: str
    """File name, for messages."""

    @property
    def folder(self) -> Path | None:
        """Folder that paths of pictures are relative to; `None` if the table isn't in one."""
        ...

    missing: frozenset[str]
    """Text that stands for a missing cell."""

    rectangular: bool
    """Whether every row should have a cell in every column."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        ...

    def __len__(self) -> int: ...

    def records(self, *, pictures: bool = True) -> Iterator[Record]:
        """All rows in order; memory doesn't grow with their number.

        Args:
            pictures: Read pictures too; without them, formats that can skip them read faster.
        """
        ...

    def record(self, number: int) -> Record:
        """One row; `number` is in range."""
        ...


class Snapshot:
    """A file's size and time of change, to notice that it changes while it's being read.

    Args:
        path: The file.

    Raises:
        DataError: It can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = self._look()

    def check(self) -> None:
        """Raise if the file isn't the one that was opened.

        Raises:
            DataError: It has changed or gone.
        """
        if self._look() != self._state:
            raise DataError(
                f"{self.path} has changed while it was being read",
                "start again, and leave the file alone meanwhile",
            )

    def _look(self) -> tuple[int, int, int]:
        try:
            state = os.stat(self.path)  # noqa: PTH116
        except OSError as error:
            raise DataError(
                f"data file {self.path} can't be read: {error.strerror}", "check the path"
            ) from error
        return state.st_ino, state.st_size, state.st_mtime_ns


def as_text(value: Any, missing: frozenset[str] = frozenset()) -> str:
    """A value as a prompt would show it; a missing one is empty.

    Args:
        value: Text or JSON value; what isn't text is written as JSON.
        missing: Text that stands for a missing cell.

    Example:
        >>> as_text("N/A", MISSING), as_text("N/A"), as_text(None), as_text([1, "a"]), as_text(2)
        ('', 'N/A', '', '[1,"a"]', '2')
    """
    if isinstance(value, str):
        return "" if value in missing else value
    return "" if value is None else canonical_json(value).decode()
