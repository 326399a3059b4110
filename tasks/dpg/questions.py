"""DPG-Bench's prompts and questions, from the CSV file of its repository."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import DataError
from tasks.scoring.dpg import DPGQuestion, parse_dpg_questions

__all__ = ["OFFICIAL_BLOB", "DPGItem", "read_items"]

OFFICIAL_BLOB = "98457fc9901943f51ff9a30367250fc292533bed"
"""Git's name for the contents of `dpg_bench.csv`, which ELLA's and CHEERS' repositories share."""

_COLUMNS = (
    *("item_id", "text", "proposition_id", "dependency", "tuple"),
    "question_natural_language",
)


class DPGItem(NamedTuple):
    """One prompt with its questions."""

    name: str
    """Its id, which names its image file."""
    prompt: str
    """The prompt."""
    questions: Sequence[DPGQuestion]
    """Its questions."""


def read_items(path: Path, *, legacy: bool) -> list[DPGItem]:
    """Read the question file.

    Args:
        path: CSV file with columns item_id, text, proposition_id, dependency, tuple and
            question_natural_language.
        legacy: See `tasks.scoring.dpg`.

    Raises:
        DataError: The file isn't there, lacks a column or all rows, or has a malformed row.
    """
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path} has no questions", "give DPG-Bench's dpg_bench.csv")
    prompts: dict[str, str] = {}
    for row in rows:
        prompts.setdefault(row["item_id"], row["text"])
    try:
        questions = parse_dpg_questions(rows, legacy=legacy)
    except ValueError as error:
        raise DataError(f"{path}: {error}", "restore the original file") from error
    return [DPGItem(name, prompts[name], found) for name, found in questions.items()]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise DataError(
                    f"{path} has no column {lacking[0]!r}", "give DPG-Bench's dpg_bench.csv"
                )
            return [{name: row[name] or "" for name in _COLUMNS} for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}", "give it as UTF-8") from error
