"""What columns of benchmark tables are called, and how to say that a table calls them otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.data.table import Row, Table
from harness.errors import SpecError
from harness.names import suggest
from harness.records import Record

__all__ = ["ROTATION", "Convention", "convention"]

ROTATION = 1_000_000
"""Rows of a circular group have indices that are equal modulo this (MMBench)."""

_LETTER = re.compile(r"[A-Z]")


class Convention(Record, frozen=True, kw_only=True):
    """Names of the columns that statistics and checks look at."""

    question: str = "question"
    """The question."""

    hint: str = "hint"
    """Context shown before the question."""

    answer: str = "answer"
    """The right option's letter, or the answer itself."""

    index: str = "index"
    """The row's name."""

    category: str = "category"
    """Skill."""

    subcategory: str = "l2-category"
    """Further division of skills."""

    options: tuple[str, ...] = ()
    """Options in order, called `A`, `B`, ...; empty for free answers."""

    def present(self, row: Row) -> dict[str, str]:
        """A row's options that aren't empty, by letter."""
        return {name: row[name] for name in self.options if row[name]}


def convention(table: Table, names: Mapping[str, str] | None = None) -> Convention:
    """The columns of a table.

    Args:
        table: The table.
        names: Names of columns by role, where they differ, e.g. `{"question": "prompt"}`.

    Raises:
        SpecError: There is no such role.
        DataError: The table lacks a column that is named.
    """
    names = dict(names or {})
    roles = [role for role in Convention.__struct_fields__ if role != "options"]
    for role in names:
        if role not in roles:
            raise SpecError(
                f"{role!r} is no role of a column",
                suggest(role, roles) or f"roles are {', '.join(roles)}",
            )
    table.require(*names.values())
    options = tuple(sorted(name for name in table.columns if _LETTER.fullmatch(name)))
    return Convention(**names, options=options)
