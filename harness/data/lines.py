"""Lines of a text file with their byte offsets; what isn't clean UTF-8 text is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from harness.errors import DataError

__all__ = ["BUFFER", "MAX_RECORD", "Lines"]

BUFFER = 1 << 18
"""Bytes read at once: lines of pictures are long."""

MAX_RECORD = 1 << 28
"""Bytes of the longest record that is read: 256 MiB. More is a stray quote or not a text file."""

_BOM = b"\xef\xbb\xbf"


class Lines:
    """Lines of an opened file, from where it stands.

    Args:
        file: Opened in binary mode.
        name: File name, for messages.
        returns: A carriage return alone ends a line too, as it does for pandas.
    """

    def __init__(self, file: BinaryIO, name: str, *, returns: bool = True) -> None:
        self._file = file
        self._name = name
        self._returns = returns
        self._raw = b""
        self._used = 0
        self._left = MAX_RECORD
        self.position = file.tell()
        """Byte offset of the next line."""
        self.row = -1
        """Number of the record being read; -1 is the header."""

    def start(self) -> None:
        """Begin a record: its length is counted anew."""
        self._left = MAX_RECORD

    def next(self) -> str:
        """The next line with its end; empty at the end of the file.

        Raises:
            DataError: It isn't UTF-8, has a NUL byte, or the record is too long.
        """
        line = self._line()
        at, self.position = self.position, self.position + len(line)
        self._left -= len(line)
        if self._left <= 0:
            raise self.error(
                f"is longer than {MAX_RECORD >> 20} MiB",
                "look there for a quotation mark that is never closed, or for binary data",
            )
        return self._decode(line.removeprefix(_BOM) if at == 0 else line, at)

    def rest(self) -> Iterator[str]:
        """All further lines."""
        return iter(self.next, "")

    def error(self, what: str, remedy: str) -> DataError:
        """An error that says where in the file it is."""
        place = "the header" if self.row < 0 else f"row {self.row}"
        return DataError(f"{self._name}: {place} {what}", remedy)

    def _line(self) -> bytes:
        if self._used >= len(self._raw):
            self._raw, self._used = self._file.readline(MAX_RECORD), 0
        start, self._used = self._used, self._end()
        whole = start == 0 and self._used == len(self._raw)
        return self._raw if whole else self._raw[start : self._used]

    def _end(self) -> int:
        """Where the next line ends in the bytes that have been read."""
        at = self._raw.find(b"\r", self._used) if self._returns else -1
        if at < 0 or self._raw.startswith(b"\n", at + 1):
            return len(self._raw)
        return at + 1

    def _decode(self, line: bytes, at: int) -> str:
        if b"\0" in line:
            raise self.error(
                f"has a NUL byte at byte {at + line.index(0)} of the file",
                "the file is damaged or isn't UTF-8 text: fetch it again, or save it as UTF-8",
            )
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise self.error(
                f"isn't UTF-8 text at byte {at + error.start} of the file",
                "save the file as UTF-8, e.g. with `iconv -f gb18030 -t utf-8`",
            ) from error
