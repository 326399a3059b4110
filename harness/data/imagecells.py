"""Which cells hold pictures, and what they hold: base64, bytes, a path, or another row's index."""

from __future__ import annotations

import ast
import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.data.source import Record

__all__ = [
    "REFERENCE_LENGTH",
    "SHOWN",
    "BadCellError",
    "Reference",
    "encoded",
    "is_image_column",
    "is_picture_column",
    "items",
    "picture_cells",
    "shown",
]

SHOWN = "(image)"
"""What a row shows instead of a picture."""

REFERENCE_LENGTH = 64
"""Longest cell that names another row's index (VLMEvalKit e8e78f0, dataset/image_base.py)."""

_COLUMN = re.compile(r"images?|image_?(\d+)|input_image")
_PATH_COLUMN = re.compile(r"image_paths?|([a-z0-9_]+_)?file_names?")
_FILE = re.compile(r"[^\n\0]+\.(png|jpe?g|webp|bmp|gif|tiff?)\Z", re.IGNORECASE)
_DATA_URI = re.compile(r"data:image/[\w.+-]+;base64,")
_SPACE = re.compile(r"\s+")


class BadCellError(ValueError):
    """A cell holds no picture; the message says why."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Reference(str):
    """Index of another row whose picture this one shares."""

    __slots__ = ()


@lru_cache(maxsize=1024)
def is_image_column(name: str) -> bool:
    """Whether a column holds pictures by its name: `image`, `images`, `image_1`, `input_image`.

    Example:
        >>> [name for name in ("image", "image_10", "imagery") if is_image_column(name)]
        ['image', 'image_10']
    """
    return _COLUMN.fullmatch(name) is not None


def is_picture_column(name: str) -> bool:
    """Whether a column holds pictures or names their files."""
    return is_image_column(name) or _PATH_COLUMN.fullmatch(name) is not None


def shown(cell: Any) -> Any:
    """What a row keeps of a cell of an image column: `(image)` instead of a picture.

    Args:
        cell: Text, bytes, a list or `{"bytes": ..., "path": ...}`; short texts are kept.
    """
    if isinstance(cell, str):
        return cell if len(cell) <= REFERENCE_LENGTH else SHOWN
    if isinstance(cell, dict):
        return SHOWN if any(cell.values()) else None
    return SHOWN if isinstance(cell, (bytes, list)) and cell else cell


def picture_cells(record: Record) -> list[Any]:
    """The cells that hold a row's pictures, in order; paths only where there is nothing else."""
    named = [(_COLUMN.fullmatch(name), cell) for name, cell in record.items()]
    found = [(int(match[1] or 0), cell) for match, cell in named if match and cell]
    if found:
        return [cell for _, cell in sorted(found, key=lambda pair: pair[0])]
    return [cell for name, cell in record.items() if cell and _PATH_COLUMN.fullmatch(name)]


def items(cell: Any) -> Iterator[Path | bytes | Reference]:
    """What a cell holds, in order.

    Args:
        cell: Text, a list, or `{"bytes": ..., "path": ...}`.

    Yields:
        A relative path, an encoded picture, or another row's index.

    Raises:
        BadCellError: It's none of them.
    """
    if isinstance(cell, str):
        yield from _of_text(cell)
    elif isinstance(cell, dict):
        yield _of_struct(cell)
    elif isinstance(cell, bytes):
        yield cell
    elif isinstance(cell, Sequence):
        for part in cell:
            yield from items(part)
    elif isinstance(cell, int):
        yield Reference(cell)
    else:
        raise BadCellError(f"holds a {type(cell).__name__}", "store the picture as base64")


def encoded(text: str) -> bytes:
    r"""Bytes of a base64 picture, with or without `data:image/...;base64,` before it.

    Raises:
        BadCellError: It isn't base64.

    Example:
        >>> encoded("iVBO\nRw==")
        b'\x89PNG'
    """
    plain = _SPACE.sub("", _DATA_URI.sub("", text, count=1))
    try:
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCellError(f"isn't base64: {error}", "fetch the file again") from error


def _of_text(text: str) -> Iterator[Path | bytes | Reference]:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        for part in _of_list(text):
            yield from _of_text(part)
    elif len(text) <= 4096 and _FILE.match(text):
        yield Path(text)
    elif len(text) <= REFERENCE_LENGTH:
        yield Reference(text)
    else:
        yield encoded(text)


def _of_list(text: str) -> list[str]:
    try:
        parts = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise BadCellError(f"isn't a list of pictures: {error}", "write ['...', '...']") from error
    if not isinstance(parts, list) or not all(isinstance(part, (str, int)) for part in parts):
        raise BadCellError("isn't a list of texts", "write ['...', '...']")
    return [str(part) for part in parts]


def _of_struct(cell: dict[str, Any]) -> Path | bytes:
    data, path = cell.get("bytes"), cell.get("path")
    if isinstance(data, bytes) and data:
        return data
    if isinstance(path, str) and path:
        return Path(path)
    raise BadCellError("has neither bytes nor a path", "store the picture in the file")
