"""TSV and CSV files, read as `pandas.read_csv` reads them, without the file in memory."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path

from harness.data.lines import BUFFER, MAX_RECORD, Lines
from harness.data.source import Record
from harness.data.textfile import TextFile

__all__ = ["DelimitedFile"]

_QUOTE = '"'
_LIMIT = threading.Lock()


class DelimitedFile(TextFile):
    """A table with a header; cells may be quoted and then hold delimiters, quotes and newlines.

    Rows with fewer cells than the header lack the last ones, and a carriage return alone ends a
    row, as in pandas; `check` finds such rows. More cells, a file that ends within a row, NUL bytes
    and what isn't UTF-8 are errors.

    Args:
        path: The file.
        delimiter: Between cells.
    """

    rectangular = True

    def __init__(self, path: Path, delimiter: str) -> None:
        super().__init__(path)
        self._delimiter = delimiter
        self.blank = self.blank.replace(delimiter, "")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The header's cells; a column without a name is `Unnamed: N`, as in pandas.

        Raises:
            DataError: The file is empty or two columns have one name.
        """
        with self.path.open("rb", buffering=BUFFER) as file:
            lines = Lines(file, self.name)
            cells = self._header(lines)
            names = tuple(cell or f"Unnamed: {i}" for i, cell in enumerate(cells))
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise lines.error(f"has a column twice: {', '.join(twice)}", "rename one of them")
        return names

    def _header(self, lines: Lines) -> list[str]:
        for line in lines.rest():
            if line.strip(self.blank):
                return self._cells(lines, line)
        raise lines.error("is missing: the file is empty", "fetch the file again")

    def _skip_header(self, lines: Lines) -> None:
        self._header(lines)

    def _parse(self, lines: Lines, line: str) -> Record:
        cells = self._cells(lines, line)
        wanted = len(self.columns)
        if len(cells) > wanted:
            raise lines.error(
                f"has {len(cells)} cells, the header {wanted}",
                "quote cells that hold a delimiter, or fetch the file again",
            )
        if len(cells) < wanted and not line.endswith(("\n", "\r")):
            raise self._torn(lines)
        return dict(zip(self.columns, cells, strict=False))

    def _cells(self, lines: Lines, line: str) -> list[str]:
        if _QUOTE in line:
            return self._quoted(lines, line)
        cells = line.split(self._delimiter)
        cells[-1] = cells[-1].rstrip("\r\n")
        return cells

    def _quoted(self, lines: Lines, line: str) -> list[str]:
        """What the `csv` module makes of it; it takes further lines inside quotes only."""
        ended = False

        def further() -> Iterator[str]:
            nonlocal ended
            yield from lines.rest()
            ended = True

        with _long_cells():
            cells = next(csv.reader(chain([line], further()), delimiter=self._delimiter))
        if ended:
            raise self._torn(lines)
        return cells

    @staticmethod
    def _torn(lines: Lines) -> Exception:
        return lines.error(
            "is broken off: the file ends within it",
            "fetch the file again; `cheers-bench data verify` compares checksums",
        )


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let `csv` read cells of any length here; its limit is global, so it's put back."""
    with _LIMIT:
        before = csv.field_size_limit(MAX_RECORD)
        try:
            yield
        finally:
            csv.field_size_limit(before)
