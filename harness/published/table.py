"""Published numbers as a table of their own, to stand below what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.published.numbers import PublishedNumber, numbers_of
from harness.records import Record

__all__ = ["PublishedColumn", "PublishedRow", "PublishedTable", "published_table", "remarks"]


class PublishedColumn(Record, frozen=True, kw_only=True):
    """One metric, in one unit."""

    task: str
    """Our task, or `training`."""

    metric: str
    """Our metric, or what of the training."""

    unit: str
    """Unit of the published values."""


class PublishedRow(Record, frozen=True, kw_only=True):
    """What was published of one model."""

    model: str
    """The model, as its authors call it."""

    cells: tuple[PublishedNumber | None, ...]
    """One per column; `None` where nothing was published."""


class PublishedTable(Record, frozen=True, kw_only=True):
    """Models by metrics. Nothing says that its numbers are of one protocol."""

    columns: tuple[PublishedColumn, ...]
    """Columns in the order in which they first occur."""

    rows: tuple[PublishedRow, ...]
    """Models in the order in which they were asked for."""


def published_table(
    models: Sequence[str], numbers: Sequence[PublishedNumber]
) -> PublishedTable | None:
    """What was published of some models.

    Args:
        models: Their names; case doesn't matter.
        numbers: Published numbers of any models.

    Returns:
        The table; `None` if no model is asked for.

    Raises:
        UnknownNameError: Nothing is published of a model.
    """
    if not models:
        return None
    by_model = [numbers_of(model, numbers) for model in models]
    columns = list(dict.fromkeys(_column(number) for found in by_model for number in found))
    return PublishedTable(
        columns=tuple(columns), rows=tuple(_row(found, columns) for found in by_model)
    )


def remarks(table: PublishedTable) -> Iterator[tuple[str, str]]:
    """Model with how its numbers came to us and from where, then with what a reader must know."""
    for row in table.rows:
        numbers = [number for number in row.cells if number is not None]
        for source in dict.fromkeys(f"{number.kind}: {number.source}" for number in numbers):
            yield row.model, source
        for note in dict.fromkeys(f"{n.task} {n.metric}: {n.note}" for n in numbers if n.note):
            yield row.model, note


def _column(number: PublishedNumber) -> PublishedColumn:
    return PublishedColumn(task=number.task, metric=number.metric, unit=number.unit)


def _row(found: Sequence[PublishedNumber], columns: Sequence[PublishedColumn]) -> PublishedRow:
    by_column: dict[PublishedColumn, PublishedNumber] = {}
    for number in found:
        by_column.setdefault(_column(number), number)
    return PublishedRow(
        model=found[0].model, cells=tuple(by_column.get(column) for column in columns)
    )
