"""JSON-lines files: one JSON object per line."""

from __future__ import annotations

from functools import cached_property

import msgspec

from harness.data.lines import Lines
from harness.data.source import Record
from harness.data.textfile import TextFile

__all__ = ["JsonLinesFile"]


class JsonLinesFile(TextFile):
    """One JSON object per line; a key that a row lacks is a missing cell."""

    missing: frozenset[str] = frozenset()
    rectangular = False

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All keys, in the order in which they first occur: this reads the file once.

        Raises:
            DataError: The file is malformed.
        """
        return tuple(dict.fromkeys(key for record in self.records() for key in record))

    def _skip_header(self, lines: Lines) -> None:
        """There is none."""

    def _parse(self, lines: Lines, line: str) -> Record:
        try:
            value = msgspec.json.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            torn = not line.endswith("\n")
            raise lines.error(
                f"isn't JSON{', and the file ends there' if torn else ''}: {error}",
                "fetch the file again" if torn else "write one JSON object per line",
            ) from error
        if not isinstance(value, dict):
            raise lines.error("isn't a JSON object", 'write one object per line: {"question": ...}')
        return value
