"""Data sets of the hub through the optional package `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.imagecells import SHOWN, is_image_column
from harness.data.source import Record
from harness.errors import DataError, SpecError

__all__ = ["HubTable", "is_hub_table", "parse_hub_table"]

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
    folder = Path()

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
            yield {**row, **shown}

    def record(self, number: int) -> Record:
        """One row."""
        row: Record = self._rows[number]
        return row


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
