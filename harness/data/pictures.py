"""Pictures of rows: found through references, decoded when asked for, the last ones kept."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.imagecells import BadCellError, Reference, items, picture_cells
from harness.data.source import Record, Source, as_text
from harness.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DAMAGE", "FORMATS", "Pictures", "decode", "normal_index"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Formats that are decoded; Pillow knows others, of which some start programs (EPS)."""

_LOOSE = (TypeError, KeyError, IndexError, ZeroDivisionError, OverflowError, MemoryError)
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, *_LOOSE)
"""What Pillow raises on damaged files: the first four by design, the others where it overlooks
something."""

_KEPT = 8
_MOST = 1024
_HOPS = 64
_FETCH = "fetch the file again; `cheers-bench data show` lists every such row"


class Pictures:
    """Pictures of a table's rows.

    Args:
        source: The table's rows.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: OrderedDict[bytes, Image] = OrderedDict()

    def images(self, number: int) -> tuple[Image, ...]:
        """A row's pictures: RGB, upright, each the caller's own copy.

        Raises:
            DataError: One can't be had; the message names file, row, index and remedy.
        """
        record = self._source.record(number)
        try:
            return tuple(self._decoded(data) for data in self._bounded(number, record))
        except BadCellError as error:
            raise self._error(number, record, error) from error

    def encoded(self, number: int, record: Record | None = None) -> tuple[bytes, ...]:
        """A row's pictures as files, not decoded.

        Args:
            number: The row.
            record: What it holds, if that has been read.

        Raises:
            DataError: One can't be had.
        """
        record = self._source.record(number) if record is None else record
        try:
            return tuple(self._bounded(number, record))
        except BadCellError as error:
            raise self._error(number, record, error) from error

    def _bounded(self, number: int, record: Record) -> Iterator[bytes]:
        """A row's files, unless lists of references multiply them without end."""
        for count, data in enumerate(self._files(number, record)):
            if count >= _MOST:
                raise BadCellError(f"stands for more than {_MOST} pictures", _FETCH)
            yield data

    def _files(self, number: int, record: Record, way: tuple[int, ...] = ()) -> Iterator[bytes]:
        if number in way:
            raise BadCellError(f"refers to itself through rows {', '.join(map(str, way))}", _FETCH)
        if len(way) > _HOPS:
            raise BadCellError(f"is more than {_HOPS} references away", _FETCH)
        missing = self._source.missing
        cells = [c for c in picture_cells(record) if not (isinstance(c, str) and c in missing)]
        if not cells:
            raise BadCellError("is empty", "leave out rows without a picture, or " + _FETCH)
        for item in (item for cell in cells for item in items(cell)):
            if isinstance(item, Reference):
                other = self._row_of(item)
                yield from self._files(other, self._source.record(other), (*way, number))
            else:
                yield self._from_file(item) if isinstance(item, Path) else item

    def _row_of(self, index: Reference) -> int:
        rows = self._rows_by_index.get(normal_index(index), ())
        if len(rows) == 1:
            return rows[0]
        if not rows:
            raise BadCellError(f"refers to index {index[:64]!r}, which no row has", _FETCH)
        raise BadCellError(
            f"refers to index {index!r}, which {len(rows)} rows have (the first: {rows[0]}, "
            f"{rows[1]})",
            "give each row its own index",
        )

    @cached_property
    def _rows_by_index(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for number, record in enumerate(self._source.records(pictures=False)):
            index = normal_index(as_text(record.get("index")))
            rows.setdefault(index, []).append(number)
        return rows

    def _from_file(self, path: Path) -> bytes:
        """A picture beside the table; links there are the user's own and may lead elsewhere."""
        if self._source.folder is None:
            raise BadCellError(
                f"names {path}, but the table has no folder", "take data that hold their pictures"
            )
        folder = Path(os.path.normpath(self._source.folder.absolute()))
        target = Path(os.path.normpath(folder / path))
        if not target.is_relative_to(folder):
            raise BadCellError(
                f"names {path}, which is outside {folder}", "put pictures beside the table"
            )
        try:
            return target.read_bytes()
        except OSError as error:
            raise BadCellError(
                f"names {path}, which can't be read: {error.strerror}", f"put it into {folder}"
            ) from error

    def _decoded(self, data: bytes) -> Image:
        key = hashlib.blake2b(data, digest_size=16).digest()
        image = self._kept.pop(key, None) or decode(data)
        self._kept[key] = image
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return image.copy()

    def _error(self, number: int, record: Record, error: BadCellError) -> DataError:
        index = as_text(record.get("index"))
        which = f" (index {index})" if index else ""
        return DataError(
            f"{self._source.name} row {number}{which}: its image {error.what}", error.remedy
        )


def decode(data: bytes) -> Image:
    """Decode a picture as RGB, turned as its EXIF orientation says; other metadata is ignored.

    Args:
        data: A file of one of `FORMATS`.

    Raises:
        BadCellError: It isn't a picture, is damaged, or is larger than Pillow's limit of pixels.
    """
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                return ImageOps.exif_transpose(opened).convert("RGB")
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadCellError(
                f"is too large: {error}", "raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
            ) from error
        except DAMAGE as error:
            raise BadCellError(f"is no picture: {error}", _FETCH) from error


def normal_index(text: str) -> str:
    """An index as text, whether it was written as 7, 7.0 or " 7".

    Example:
        >>> normal_index(" 7.0"), normal_index("007"), normal_index("a.0")
        ('7', '007', 'a.0')
    """
    plain = text.strip()
    whole = plain.removesuffix(".0")
    return whole if whole.isdecimal() else plain
