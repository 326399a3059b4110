"""Data sets of the hub through the optional package `datasets`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.imagecells import SHOWN, is_image_column
from harness.data.source import Record
from harness.errors import DataError, SpecError
from harness.records import canonical_json

__all__ = ["HubTable", "hash_split", "is_hub_table", "parse_hub_table"]

_ADDRESS = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)"
    r"\?(?:config=(?P<config>[\w.-]+)&)?split=(?P<split>[\w.-]+)\Z"
)


class Address(NamedTuple):
    """Which rows of the hub."""

    repo: str
    """`OWNER/NAME`."""

    revision: str
    """Commit, tag or branch."""

    config: str | None
    """Configuration; `None` where the data set has one."""

    split: str
    """Split."""


def is_hub_table(address: str) -> bool:
    """Whether an address means a whole split rather than a file.

    Example:
        >>> is_hub_table("hf://datasets/o/n@main?split=test"), is_hub_table("hf://datasets/o/n/f.tsv")
        (True, False)
    """
    return address.startswith("hf://") and "?" in address


def parse_hub_table(address: str) -> Address:
    """Read `hf://datasets/OWNER/NAME@REVISION?split=SPLIT`, optionally `config=CONFIG&` first.

    Raises:
        SpecError: It's malformed or has no revision.
    """
    match = _ADDRESS.match(address)
    if match is None:
        raise SpecError(
            f"{address!r} is no data set of the hub",
            "write hf://datasets/OWNER/NAME@REVISION?split=SPLIT, or ?config=CONFIG&split=SPLIT",
        )
    return Address(**match.groupdict())


class HubTable:
    """A split of a data set of the hub; `datasets` fetches it, and keeps it on disk.

    Args:
        address: See `parse_hub_table`.

    Raises:
        SpecError: The address is malformed.
        DataError: `datasets` isn't installed, or can't give the rows.
    """

    missing: frozenset[str] = frozenset()
    rectangular = False
    folder = None

    def __init__(self, address: str) -> None:
        self.name = address
        self._rows = _load(parse_hub_table(address))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._rows.column_names)

    def __len__(self) -> int:
        return len(self._rows)

    def records(self, *, pictures: bool = True) -> Iterator[Record]:
        """All rows in order; `datasets` maps its file into memory and keeps no row."""
        names = () if pictures else tuple(filter(is_image_column, self.columns))
        rows = self._rows.remove_columns(list(names)) if names else self._rows
        shown = dict.fromkeys(names, SHOWN)
        for row in rows:
            yield {**_whole(row), **shown}

    def record(self, number: int) -> Record:
        """One row."""
        row: Record = _whole(self._rows[number])
        return row

    def __reduce__(self) -> tuple[type[HubTable], tuple[str]]:
        return HubTable, (self.name,)


@lru_cache(maxsize=8)
def hash_split(address: str) -> str:
    """SHA-256 over the columns and rows of a split, pictures as their files' bytes.

    It's the same on every machine and however the hub stores the rows; computed once per process.

    Raises:
        SpecError: The address is malformed.
        DataError: The rows can't be had.
    """
    table = HubTable(address)
    total = hashlib.sha256(canonical_json(table.columns))
    for record in table.records():
        total.update(canonical_json(record))
    return total.hexdigest()


def _whole(cell: Any) -> Any:
    """A row, or part of one, with pictures as bytes where `datasets` keeps a file of its own."""
    if isinstance(cell, dict):
        path = cell.get("path")
        if cell.keys() == {"bytes", "path"} and isinstance(path, str):
            data = cell["bytes"] or _file_bytes(Path(path))
            return {"bytes": data, "path": Path(path).name}
        return {name: _whole(value) for name, value in cell.items()}
    return [_whole(part) for part in cell] if isinstance(cell, list) else cell


def _file_bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_absolute() and path.is_file() else None


def _load(address: Address) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"{address.repo} needs the package datasets, which isn't installed",
            "pip install 'cheers-bench[datasets]', or fetch the split's Parquet file",
        ) from error
    try:
        rows = datasets.load_dataset(
            address.repo, address.config, split=address.split, revision=address.revision
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{address.repo} can't be had from the hub: {error}", "check name, revision and split"
        ) from error
    for name, feature in rows.features.items():
        plain = _undecoded(feature, datasets)
        rows = rows if plain is feature else rows.cast_column(name, plain)
    return rows


def _undecoded(feature: Any, datasets: Any) -> Any:
    """The feature with pictures left as `{bytes, path}`."""
    if isinstance(feature, datasets.Image):
        return datasets.Image(decode=False)
    inner = getattr(feature, "feature", None)
    if isinstance(inner, datasets.Image):
        return type(feature)(datasets.Image(decode=False))
    return feature
