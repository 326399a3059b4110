"""Tables of questions with pictures: streamed rows, single rows, pictures on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.data.imagecells import is_image_column, is_picture_column, shown
from harness.data.pictures import Pictures
from harness.data.source import Record, Source, as_text
from harness.errors import DataError, SpecError
from harness.names import suggest

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Row", "Scanned", "Table", "open_table"]


class Row:
    """One row. Cells are text; pictures aren't kept, see `Table.images`.

    A cell of an image column that holds a picture reads `(image)`; one that names another row
    reads as it is, and an empty one is empty.
    """

    __slots__ = ("_source", "_values", "number", "where")

    def __init__(self, number: int, record: Record, source: Source) -> None:
        self.number = number
        """Number of the data row, from 0."""
        self.where = f"{source.name} row {number}"
        """`FILE row N`, for messages."""
        self._source = source
        self._values = {
            name: shown(cell) if is_image_column(name) else cell for name, cell in record.items()
        }

    def __getitem__(self, name: str) -> str:
        """A cell as text; a missing one is empty.

        Raises:
            DataError: There is no such column.
        """
        if name not in self:
            raise _lacking(self.where, (name,), self._source.columns)
        return as_text(self._values.get(name), self._source.missing)

    def get(self, name: str, default: str = "") -> str:
        """A cell as text, or `default` where the column or the cell is missing."""
        return as_text(self._values.get(name), self._source.missing) or default

    def value(self, name: str) -> Any:
        """A cell as the file has it, text or JSON value; `None` without the column."""
        return self._values.get(name)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Columns that the row should have a cell in, as a TSV's row, but is too short for."""
        if not self._source.rectangular:
            return ()
        return tuple(name for name in self._source.columns if name not in self._values)

    def __contains__(self, name: str) -> bool:
        """Whether the table has that column; in JSON lines a row may lack its cell."""
        return name in self._values or name in self._source.columns

    def __repr__(self) -> str:
        return f"<{self.where}>"


class Scanned(NamedTuple):
    """A row with its pictures."""

    row: Row
    """The row."""

    files: tuple[bytes, ...]
    """Its pictures, not decoded."""

    error: DataError | None
    """Why its pictures can't be had."""


class Table:
    """Rows of a data file; see `open_table`.

    Args:
        source: Where its rows come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pictures = Pictures(source)

    @property
    def name(self) -> str:
        """File name, for messages."""
        return self._source.name

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return self._source.columns

    @property
    def has_pictures(self) -> bool:
        """Whether a column holds pictures or names their files."""
        return any(map(is_picture_column, self.columns))

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Row]:
        for number, record in enumerate(self._source.records(pictures=False)):
            yield Row(number, record, self._source)

    def scan(self) -> Iterator[Scanned]:
        """All rows in order with their pictures as files, in one pass."""
        for number, record in enumerate(self._source.records()):
            row = Row(number, record, self._source)
            try:
                yield Scanned(row, self._pictures.encoded(number, record), None)
            except DataError as error:
                yield Scanned(row, (), error)

    def require(self, *columns: str) -> None:
        """Check that columns are there.

        Raises:
            DataError: One is missing; the message names those there are.
        """
        missing = tuple(name for name in columns if name not in self.columns)
        if missing:
            raise _lacking(self.name, missing, self.columns)

    def row(self, number: int) -> Row:
        """One row, found without reading those before it.

        Raises:
            DataError: There is no such row.
        """
        return Row(number, self._source.record(self._checked(number)), self._source)

    def images(self, number: int) -> tuple[Image, ...]:
        """A row's pictures, decoded: RGB, 8 bits per channel, EXIF orientation applied.

        Raises:
            DataError: There is no such row, or a picture can't be had: bad base64, not a picture,
                too many pixels, an empty cell, an unknown or circular reference.
        """
        return self._pictures.images(self._checked(number))

    def encoded_images(self, number: int) -> tuple[bytes, ...]:
        """A row's pictures as PNG, JPEG or other files, not decoded.

        Raises:
            DataError: As `images`, without what decoding finds.
        """
        return self._pictures.encoded(self._checked(number))

    def _checked(self, number: int) -> int:
        if not 0 <= number < len(self):
            raise DataError(
                f"{self.name} has no row {number}", f"rows are numbered from 0 to {len(self) - 1}"
            )
        return number


def open_table(location: Path | str) -> Table:
    """Open a table by its suffix; nothing but the header is read until rows are asked for.

    Args:
        location: `.tsv`, `.csv`, `.jsonl` or `.parquet` file, a folder of pictures with
            `metadata.jsonl` or `metadata.csv`, or `hf://datasets/OWNER/NAME@REVISION?split=SPLIT`.

    Raises:
        DataError: It isn't there or can't be read.
        SpecError: The format isn't known.
    """
    from harness.data.hubtable import HubTable, is_hub_table

    if is_hub_table(str(location)):
        return Table(HubTable(str(location)))
    return Table(_source(Path(location).expanduser().absolute()))


def _source(path: Path) -> Source:
    from harness.data.delimited import DelimitedFile
    from harness.data.folder import metadata_file
    from harness.data.jsonl import JsonLinesFile
    from harness.data.parquet import ParquetFile

    if path.is_dir():
        return _source(metadata_file(path))
    if not path.exists():
        raise DataError(f"there is no data file {path}", "check the path")
    formats: dict[str, Callable[[Path], Source]] = {
        ".tsv": lambda file: DelimitedFile(file, "\t"),
        ".csv": lambda file: DelimitedFile(file, ","),
        ".jsonl": JsonLinesFile,
        ".parquet": ParquetFile,
    }
    if path.suffix.lower() not in formats:
        raise SpecError(
            f"{path} isn't a table that is known by its suffix",
            f"give a folder with metadata.jsonl, or one of {', '.join(formats)}",
        )
    return formats[path.suffix.lower()](path)


def _lacking(where: str, missing: tuple[str, ...], present: tuple[str, ...]) -> DataError:
    names = ", ".join(map(repr, missing))
    guesses = filter(None, (suggest(name, present) for name in missing))
    return DataError(
        f"{where}: no column {names}; it has {', '.join(map(repr, present[:40])) or 'none'}",
        " ".join(guesses) or "give the file that the benchmark publishes",
    )
