"""Parquet files, read in small batches; pictures are read only where they're asked for."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from harness.data.imagecells import SHOWN, is_image_column
from harness.data.source import Record, Snapshot
from harness.errors import DataError

__all__ = ["ParquetFile"]

_BATCH = 16
"""Rows decoded at once: a batch with pictures stays small."""

_BUFFER = 1 << 20
"""Bytes read at once of a column; without it a whole row group's column is in memory."""


class ParquetFile:
    """A Parquet file. Columns with pictures are `{bytes, path}` structs, binaries, lists or text.

    Args:
        path: The file.

    Raises:
        DataError: It can't be read.
    """

    missing: frozenset[str] = frozenset()
    rectangular = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.folder = path.parent
        self._snapshot = Snapshot(path)
        self._cursor = _Cursor(self)

    def __reduce__(self) -> tuple[type[ParquetFile], tuple[Path]]:
        return ParquetFile, (self.path,)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._metadata.schema.to_arrow_schema().names)

    @cached_property
    def starts(self) -> list[int]:
        """Number of each row group's first row, and the number of rows behind the last."""
        groups = range(self._metadata.num_row_groups)
        sizes = (self._metadata.row_group(group).num_rows for group in groups)
        return list(accumulate(sizes, initial=0))

    def __len__(self) -> int:
        return int(self._metadata.num_rows)

    def records(self, *, pictures: bool = True) -> Iterator[Record]:
        """All rows in order, one batch in memory.

        Args:
            pictures: Read them too; otherwise a column with pictures reads `(image)`.
        """
        for group in range(self._metadata.num_row_groups):
            hidden = () if pictures else self._full_columns(group)
            shown = dict.fromkeys(hidden, SHOWN)
            for record in self.stream(group, [c for c in self.columns if c not in hidden]):
                yield {**record, **shown}

    def record(self, number: int) -> Record:
        """One row. Rows asked for in order are read once; others cost up to a row group."""
        return self._cursor.record(number)

    def stream(self, group: int, columns: Sequence[str]) -> Iterator[Record]:
        """Rows of one row group.

        Raises:
            DataError: They can't be read.
        """
        import pyarrow as pa

        self._snapshot.check()
        try:
            batches = self._open().iter_batches(
                batch_size=_BATCH, row_groups=[group], columns=list(columns), use_threads=False
            )
            for batch in batches:
                yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from error

    @cached_property
    def _metadata(self) -> Any:
        return self._open().metadata

    def _open(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.path, pre_buffer=False, buffer_size=_BUFFER)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from error

    def _full_columns(self, group: int) -> tuple[str, ...]:
        """Columns of which the file's statistics say that every row has a picture."""
        chunks, schema = self._metadata.row_group(group), self._metadata.schema.to_arrow_schema()
        found: dict[str, bool] = {}
        for number in range(chunks.num_columns):
            chunk = chunks.column(number)
            name, _, leaf = chunk.path_in_schema.partition(".")
            text = str(schema.field(name).type).endswith("string")  # may be another row's index
            if is_image_column(name) and leaf in ("", "bytes") and not text:
                known = chunk.statistics is not None and chunk.statistics.has_null_count
                found[name] = known and chunk.statistics.null_count == 0
        return tuple(name for name, full in found.items() if full)

    def _damaged(self, error: Exception) -> DataError:
        return DataError(f"{self.path} can't be read as Parquet: {error}", "fetch the file again")


class _Cursor:
    """A place in the file, so that rows asked for in order aren't searched for anew."""

    def __init__(self, file: ParquetFile) -> None:
        self._file = file
        self._ahead: Iterator[Record] = iter(())
        self._group = -1
        self._next = -1
        self._last: Record = {}
        self._lock = threading.Lock()

    def record(self, number: int) -> Record:
        """The row of that number."""
        with self._lock:
            if self._group < 0 or number != self._next - 1:
                self._seek(number)
            return self._last

    def _seek(self, number: int) -> None:
        group = bisect_right(self._file.starts, number) - 1
        if group != self._group or number < self._next:
            self._ahead = self._file.stream(group, self._file.columns)
            self._group, self._next = group, self._file.starts[group]
        try:
            while self._next <= number:
                self._last = next(self._ahead)
                self._next += 1
        except BaseException:
            self._group = -1  # the stream has ended: start anew next time
            raise
