"""Numbers that others published, as data with their sources."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from harness.errors import DataError, UnknownNameError
from harness.names import suggest
from harness.records import Record

__all__ = [
    "KINDS",
    "TRAINING",
    "PublishedNumber",
    "numbers_of",
    "published_folder",
    "read_published",
]

KINDS = ("paper", "second-hand", "third-party")
"""How a number came to us; see `results/published/README.md`."""

TRAINING = "training"
"""Task of rows that say what a model's training cost."""

_COLUMNS = ("model", "task", "metric", "value", "factor", "unit", "kind", "source", "note")
_ROOT = Path(__file__).resolve().parents[2]
_PLACES = (Path(__file__).parent / "data", _ROOT / "results" / "published")


class PublishedNumber(Record, frozen=True, kw_only=True):
    """One published number."""

    model: str
    """The model, as its authors call it."""

    task: str
    """Our task, or `training`."""

    metric: str
    """Our metric, or what of the training."""

    value: float
    """As published."""

    decimals: int
    """Decimals that were written: 0.630 has three; of 5e6 they're -6."""

    factor: float
    """What makes it our unit."""

    unit: str
    """Unit of the published value."""

    kind: str
    """One of `KINDS`."""

    source: str
    """Where it stands."""

    note: str = ""
    """What a reader must know."""

    @property
    def ours(self) -> float:
        """The value in our unit."""
        return self.value * self.factor

    @property
    def written(self) -> str:
        """The value with the digits that were written, and commas between thousands."""
        return f"{self.value:,.{max(self.decimals, 0)}f}"

    @property
    def rounding(self) -> float:
        """Most that rounding moved the value, in our unit: half of the last digit written."""
        return 0.5 * 10.0**-self.decimals * abs(self.factor)


def published_folder() -> Path:
    """The folder of published numbers that comes with the package, or with the repository.

    Raises:
        DataError: There is none.
    """
    for place in _PLACES:
        if place.is_dir():
            return place
    raise DataError("the folder of published numbers isn't there", "name one with --published")


def read_published(folder: Path) -> tuple[PublishedNumber, ...]:
    """All numbers of a folder's CSV files, in order of file and line.

    Raises:
        DataError: A file lacks a column, or a line is malformed; the message names both.
    """
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise DataError(f"{folder} holds no .csv file", "see results/published/README.md")
    return tuple(number for file in files for number in _numbers(file))


def numbers_of(model: str, numbers: Iterable[PublishedNumber]) -> list[PublishedNumber]:
    """What was published of one model; case doesn't matter.

    Raises:
        UnknownNameError: Nothing was.
    """
    numbers = list(numbers)
    found = [number for number in numbers if number.model.lower() == model.lower()]
    if not found:
        known = list(dict.fromkeys(number.model for number in numbers))
        hint = suggest(model, known) or f"there are numbers of {', '.join(known)}"
        raise UnknownNameError(f"nothing is published here of a model {model!r}", hint)
    return found


def _numbers(file: Path) -> Iterator[PublishedNumber]:
    with file.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{file} lacks the columns {', '.join(missing)}", "add them")
        for row in reader:
            yield _number(row, f"{file} line {reader.line_num}")


def _number(row: Mapping[str, str | None], where: str) -> PublishedNumber:
    cells = {name: (row[name] or "").strip() for name in _COLUMNS}
    empty = [name for name in _COLUMNS if name != "note" and not cells[name]]
    if empty:
        raise DataError(f"{where}: {', '.join(empty)} is empty", "a number needs all but a note")
    if cells["kind"] not in KINDS:
        raise DataError(f"{where}: kind is {cells['kind']!r}", f"write one of {', '.join(KINDS)}")
    texts = {name: cells[name] for name in _COLUMNS if name not in ("value", "factor")}
    return PublishedNumber(
        **texts,
        value=_float(cells["value"], where),
        decimals=_decimals(cells["value"]),
        factor=_float(cells["factor"], where),
    )


def _float(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"{where}: {text!r} is no number", "write it as 0.78") from error
    if not math.isfinite(value):
        raise DataError(f"{where}: {text!r} isn't finite", "write it as 0.78")
    return value


def _decimals(text: str) -> int:
    """Decimals of a number that `_float` accepted."""
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101 -- it's finite
    return -exponent
