"""What is in a table, in numbers; one pass over it, one row in memory."""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections import Counter
from collections.abc import Mapping

from harness.data.convention import Convention, convention
from harness.data.pictures import DAMAGE, FORMATS
from harness.data.table import Row, Scanned, Table
from harness.records import Record

__all__ = ["Spread", "TableStats", "describe", "digest_of"]

_SHOWN = 50
OTHERS = "(others)"


class Spread(Record, frozen=True, kw_only=True):
    """Quantiles of whole numbers: the smallest value with at least that share at or below it."""

    low: int
    """Smallest."""

    p5: int
    """5%."""

    median: int
    """50%."""

    p95: int
    """95%."""

    high: int
    """Largest."""


class TableStats(Record, frozen=True, kw_only=True):
    """What is in a table. Counts of texts keep the 50 most frequent; `(others)` has the rest."""

    rows: int
    """Rows."""

    images: int
    """Pictures that differ in their bytes."""

    rows_without_image: int
    """Rows whose picture is missing or can't be read; all rows of a table without pictures."""

    width: Spread | None
    """Width of the pictures in pixels, each counted once; `None` without any."""

    height: Spread | None
    """Height in pixels."""

    question_length: Spread | None
    """Characters of a question."""

    options: Mapping[str, int]
    """Rows by number of options."""

    answers: Mapping[str, int]
    """Rows by answer; `` is none."""

    categories: Mapping[str, int]
    """Rows by category."""

    subcategories: Mapping[str, int]
    """Rows by the further division."""


def describe(table: Table, names: Mapping[str, str] | None = None) -> TableStats:
    """Count what is in a table.

    Args:
        table: The table.
        names: Names of columns by role, where they differ from `Convention`.

    Raises:
        SpecError: There is no such role.
        DataError: The file is malformed, or lacks a column that is named.
    """
    tally = _Tally(convention(table, names))
    for scanned in table.scan():
        tally.add(scanned)
    return tally.result()


def digest_of(data: bytes) -> bytes:
    """16 bytes that name a picture's file."""
    return hashlib.blake2b(data, digest_size=16).digest()


class _Tally:
    """Counts; what grows is the number of different values only."""

    def __init__(self, names: Convention) -> None:
        self._names = names
        self._pictures: set[bytes] = set()
        self._rows = self._without = 0
        self._width: Counter[int] = Counter()
        self._height: Counter[int] = Counter()
        self._length: Counter[int] = Counter()
        self._texts: dict[str, Counter[str]] = {
            kind: Counter() for kind in ("options", "answer", "category", "subcategory")
        }

    def add(self, scanned: Scanned) -> None:
        """Count one row."""
        self._rows += 1
        self._add_texts(scanned.row)
        readable = [self._add_picture(data) for data in scanned.files]
        self._without += not readable or not all(readable)

    def _add_texts(self, row: Row) -> None:
        names = self._names
        if names.question in row:
            self._length[len(row[names.question])] += 1
        if names.options:
            self._texts["options"][str(len(names.present(row)))] += 1
        for kind in ("answer", "category", "subcategory"):
            column = getattr(names, kind)
            if column in row:
                self._texts[kind][row[column]] += 1

    def _add_picture(self, data: bytes) -> bool:
        """Count a picture once; says whether it can be read."""
        name = digest_of(data)
        if name in self._pictures:
            return True
        size = _size(data)
        if size is None:
            return False
        self._pictures.add(name)
        self._width[size[0]] += 1
        self._height[size[1]] += 1
        return True

    def result(self) -> TableStats:
        """All counts."""
        return TableStats(
            rows=self._rows,
            images=len(self._pictures),
            rows_without_image=self._without,
            width=_spread(self._width),
            height=_spread(self._height),
            question_length=_spread(self._length),
            options=_frequent(self._texts["options"]),
            answers=_frequent(self._texts["answer"]),
            categories=_frequent(self._texts["category"]),
            subcategories=_frequent(self._texts["subcategory"]),
        )


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a picture's header, as it's shown; `None` if it has none."""
    from PIL import ExifTags, Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
                return (image.height, image.width) if turned else image.size
        except (*DAMAGE, Image.DecompressionBombError):
            return None


def _spread(counts: Counter[int]) -> Spread | None:
    if not counts:
        return None
    low, p5, median, p95, high = (_quantile(counts, q) for q in (0.0, 0.05, 0.5, 0.95, 1.0))
    return Spread(low=low, p5=p5, median=median, p95=p95, high=high)


def _quantile(counts: Counter[int], share: float) -> int:
    """The smallest value with at least that share of all at or below it (nearest rank).

    Example:
        >>> _quantile(Counter([1, 2, 2, 9]), 0.5), _quantile(Counter([1, 2, 2, 9]), 0.95)
        (2, 9)
    """
    wanted = max(1, math.ceil(share * counts.total()))
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    raise ValueError("no values")


def _frequent(counts: Counter[str]) -> dict[str, int]:
    """The most frequent texts, ties in alphabetical order, and how many rows have others."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[_SHOWN:])
    return dict(ordered[:_SHOWN]) | ({OTHERS: rest} if rest else {})
