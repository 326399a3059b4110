"""What TSV, CSV and JSON-lines files share: records at byte offsets, streamed or one by one."""

from __future__ import annotations

import abc
from array import array
from collections.abc import Iterator
from pathlib import Path

from harness.data.lines import BUFFER, Lines
from harness.data.source import MISSING, Record, Snapshot

__all__ = ["TextFile"]


class TextFile(abc.ABC):
    """A text file of records. No file is held open between calls.

    Args:
        path: The file.

    Raises:
        DataError: It can't be read.
    """

    missing: frozenset[str] = MISSING
    rectangular: bool
    blank: str = " \t\r\n"
    """A line of these alone is no record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.folder = path.parent
        self._snapshot = Snapshot(path)
        self._offsets: array[int] | None = None

    def __len__(self) -> int:
        return len(self._index())

    def records(self, *, pictures: bool = True) -> Iterator[Record]:  # noqa: ARG002
        """All rows in order, in memory one at a time; pictures are part of the text.

        Raises:
            DataError: The file is malformed, or has changed.
        """
        self._snapshot.check()
        offsets = array("Q")
        with self.path.open("rb", buffering=BUFFER) as file:
            lines = Lines(file, self.name, returns=self.rectangular)
            for offset, record in self._read(lines):
                offsets.append(offset)
                yield record
        self._offsets = offsets

    def record(self, number: int) -> Record:
        """One row, read at its byte offset.

        Raises:
            DataError: The file is malformed, or has changed.
        """
        offset = self._index()[number]
        self._snapshot.check()
        with self.path.open("rb", buffering=BUFFER) as file:
            file.seek(offset)
            lines = Lines(file, self.name, returns=self.rectangular)
            lines.row = number
            lines.start()
            return self._parse(lines, lines.next())

    def _index(self) -> array[int]:
        if self._offsets is None:
            for _ in self.records():
                pass
        assert self._offsets is not None  # noqa: S101 - a whole pass sets it
        return self._offsets

    def _read(self, lines: Lines) -> Iterator[tuple[int, Record]]:
        self._skip_header(lines)
        lines.row = 0
        while True:
            lines.start()
            offset, line = lines.position, lines.next()
            if not line:
                return
            if line[0] not in self.blank or line.strip(self.blank):
                yield offset, self._parse(lines, line)
                lines.row += 1

    @abc.abstractmethod
    def _skip_header(self, lines: Lines) -> None:
        """Pass over what comes before the first record."""

    @abc.abstractmethod
    def _parse(self, lines: Lines, line: str) -> Record:
        """The record that begins with `line`; more lines are taken if it needs them."""
