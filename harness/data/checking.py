"""What is wrong with a table, or looks wrong, row by row; one pass, one row in memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from harness.data.convention import ROTATION, Convention, convention
from harness.data.describing import digest_of
from harness.data.imagecells import BadCellError
from harness.data.pictures import decode, normal_index
from harness.data.table import Row, Scanned, Table
from harness.records import Record

__all__ = ["Finding", "Kind", "check"]


class Kind(StrEnum):
    """What was found."""

    SHORT_ROW = "short-row"
    """A row has fewer cells than the header, so that others are missing."""

    EMPTY_QUESTION = "empty-question"
    """A row has no question."""

    BAD_IMAGE = "bad-image"
    """A row's picture is missing or can't be read."""

    NO_ANSWER = "no-answer"
    """A row has no answer, though others do."""

    NO_ANSWERS = "no-answers"
    """No row has an answer: nothing can be scored."""

    ANSWER_OUTSIDE = "answer-outside-options"
    """The answer is none of the row's options."""

    OPTION_GAP = "option-gap"
    """An option is empty while a later one isn't."""

    OPTION_LOST = "option-lost"
    """An option's text, such as None, is read as a missing cell."""

    LEAK = "leak"
    """The question or hint gives the answer away."""

    DUPLICATE_INDEX = "duplicate-index"
    """Two rows have one index."""

    DUPLICATE_QUESTION = "duplicate-question"
    """Two rows ask the same, with the same options and pictures."""

    MISSING_ROTATION = "missing-rotation"
    """A circular group has fewer rows than options."""


class Finding(Record, frozen=True, kw_only=True):
    """One thing that is or looks wrong."""

    row: int | None
    """Number of the data row, from 0; `None` for the whole table."""

    index: str
    """The row's index, if it has one."""

    kind: Kind
    """What it is."""

    what: str
    """In words."""

    remedy: str
    """What to do about it."""


_REMEDY = {
    Kind.SHORT_ROW: "look for a tab too few, or a carriage return that should be quoted",
    Kind.EMPTY_QUESTION: "leave the row out, or fetch the file again",
    Kind.NO_ANSWER: "leave the row out: it can't be scored",
    Kind.NO_ANSWERS: "take a split with answers, or submit the responses to the benchmark's server",
    Kind.ANSWER_OUTSIDE: "correct the answer, or leave the row out: no model can be right",
    Kind.OPTION_GAP: "look whether an option was lost when the file was written",
    Kind.OPTION_LOST: "published prompts lack it, as pandas drops such cells; reword your own data",
    Kind.LEAK: "look at the row: a model can answer it without the picture",
    Kind.DUPLICATE_INDEX: "give each row its own index: samples are named by it",
    Kind.DUPLICATE_QUESTION: "count it once, or give both rows one cluster",
    Kind.MISSING_ROTATION: "add the rotations, or score the file without circular evaluation",
}
_STATED = re.compile(r"\b(?:correct |right )?answer(?: is|:)\s*\(?([A-Z])\b(?!')", re.IGNORECASE)
_SHORTEST_LEAK = 4
"""Shorter answers, such as `no`, are in questions by chance."""


def check(table: Table, names: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """Look for rows that can't be scored fairly; every picture is decoded, each once.

    Args:
        table: The table.
        names: Names of columns by role, where they differ from `Convention`.

    Returns:
        Findings in the order of rows, those about the whole table first. What is about several rows
        stands at the last of them, a circular group at its first.

    Raises:
        SpecError: There is no such role.
        DataError: The file is malformed, or lacks a column that is named.
    """
    checker = _Checker(convention(table, names), pictures=table.has_pictures)
    found = [finding for scanned in table.scan() for finding in checker.row(scanned)]
    found.extend(checker.end())
    return tuple(sorted(found, key=lambda finding: -1 if finding.row is None else finding.row))


class _Turn(NamedTuple):
    """One row of a circular group."""

    row: int
    options: int


class _Checker:
    """What must be remembered of earlier rows: indices and digests."""

    def __init__(self, names: Convention, *, pictures: bool) -> None:
        self._names = names
        self._has_pictures = pictures
        self._indices: dict[str, int] = {}
        self._asked: dict[bytes, tuple[int, str]] = {}
        self._groups: dict[int, dict[int, _Turn]] = {}
        self._pictures: dict[bytes, BadCellError | None] = {}
        self._unanswered: list[Row] = []
        self._rows = 0

    def row(self, scanned: Scanned) -> Iterator[Finding]:
        """Findings of one row."""
        self._rows += 1
        row = scanned.row
        if row.lacking:
            what = f"the row ends before {', '.join(row.lacking)}"
            yield self._finding(row, Kind.SHORT_ROW, what)
        if self._names.question in row and not row[self._names.question].strip():
            yield self._finding(row, Kind.EMPTY_QUESTION, "the question is empty")
        yield from self._image(scanned)
        yield from self._options(row)
        yield from self._answer(row)
        yield from self._index(row)
        yield from self._repeated(scanned)

    def end(self) -> Iterator[Finding]:
        """Findings that need all rows."""
        if self._unanswered and len(self._unanswered) == self._rows:
            yield Finding(
                row=None,
                index="",
                kind=Kind.NO_ANSWERS,
                what="no row has an answer",
                remedy=_REMEDY[Kind.NO_ANSWERS],
            )
        else:
            for row in self._unanswered:
                yield self._finding(row, Kind.NO_ANSWER, "the answer is empty")
        yield from self._rotations()

    def _image(self, scanned: Scanned) -> Iterator[Finding]:
        if scanned.error is not None and self._has_pictures:
            yield self._finding(
                scanned.row, Kind.BAD_IMAGE, scanned.error.what, scanned.error.remedy
            )
        for data in scanned.files:
            error = self._decoded(data)
            if error is not None:
                what = f"its image {error.what}"
                yield self._finding(scanned.row, Kind.BAD_IMAGE, what, error.remedy)

    def _decoded(self, data: bytes) -> BadCellError | None:
        name = digest_of(data)
        if name not in self._pictures:
            try:
                decode(data)
                self._pictures[name] = None
            except BadCellError as error:
                self._pictures[name] = error
        return self._pictures[name]

    def _options(self, row: Row) -> Iterator[Finding]:
        present = self._names.present(row)
        for name in self._names.options:
            text = str(row.value(name) or "")
            if text and name not in present:
                what = f"option {name} reads {text!r}, which is taken for a missing cell"
                yield self._finding(row, Kind.OPTION_LOST, what)
            elif name not in present and any(later > name for later in present):
                yield self._finding(row, Kind.OPTION_GAP, f"option {name} is empty")

    def _answer(self, row: Row) -> Iterator[Finding]:
        answer = row.get(self._names.answer).strip()
        if not answer:
            if self._names.answer in row:
                self._unanswered.append(row)
            return
        present = self._names.present(row)
        if present and answer not in present:
            what = f"the answer is {answer[:40]!r}, the options are {', '.join(present)}"
            yield self._finding(row, Kind.ANSWER_OUTSIDE, what)
        shown = f"{row.get(self._names.hint)}\n{row.get(self._names.question)}"
        leak = _leak(shown, answer, present)
        if leak:
            yield self._finding(row, Kind.LEAK, leak)

    def _index(self, row: Row) -> Iterator[Finding]:
        index = normal_index(row.get(self._names.index))
        if not index:
            return
        first = self._indices.setdefault(index, row.number)
        if first != row.number:
            yield self._finding(row, Kind.DUPLICATE_INDEX, f"row {first} has the same index")
        if index.isdecimal():
            turn, group = divmod(int(index), ROTATION)
            seen = _Turn(row.number, len(self._names.present(row)))
            self._groups.setdefault(group, {})[turn] = seen

    def _repeated(self, scanned: Scanned) -> Iterator[Finding]:
        row = scanned.row
        if (scanned.error is not None and self._has_pictures) or self._names.question not in row:
            return
        texts = [row[self._names.question], row.get(self._names.hint)]
        key = hashlib.blake2b(digest_size=16)
        for part in (*texts, *sorted(self._names.present(row).values())):
            key.update(f"{len(part)}:{part}".encode("utf-8", "surrogatepass"))
        for data in scanned.files:
            key.update(digest_of(data))
        group = _group(row.get(self._names.index))
        first, other = self._asked.setdefault(key.digest(), (row.number, group))
        if first != row.number and (not group or group != other):
            what = f"row {first} asks the same, with the same options and pictures"
            yield self._finding(row, Kind.DUPLICATE_QUESTION, what)

    def _rotations(self) -> Iterator[Finding]:
        if not any(turn for turns in self._groups.values() for turn in turns):
            return
        for group, turns in self._groups.items():
            wanted = max(seen.options for seen in turns.values())
            missing = [str(turn) for turn in range(wanted) if turn not in turns]
            if missing:
                what = f"circular group {group} lacks rotation {', '.join(missing)} of {wanted}"
                yield Finding(
                    row=min(seen.row for seen in turns.values()),
                    index=str(group),
                    kind=Kind.MISSING_ROTATION,
                    what=what,
                    remedy=_REMEDY[Kind.MISSING_ROTATION],
                )

    def _finding(self, row: Row, kind: Kind, what: str, remedy: str = "") -> Finding:
        return Finding(
            row=row.number,
            index=row.get(self._names.index),
            kind=kind,
            what=what,
            remedy=remedy or _REMEDY[kind],
        )


def _leak(shown: str, answer: str, options: Mapping[str, str]) -> str:
    """How the text that is shown gives the answer away, or nothing.

    Example:
        >>> _leak("What is it? The answer is B.", "B", {"A": "cat", "B": "dog"})
        'the text says that the answer is B'
        >>> _leak("Which zebra is it?", "A", {"A": "zebra", "B": "horse"})
        "of all options only the right one, 'zebra', is in the text"
        >>> _leak("Is it a zebra or a horse?", "A", {"A": "zebra", "B": "horse"})
        ''
    """
    if options and answer in {letter.upper() for letter in _STATED.findall(shown)}:
        return f"the text says that the answer is {answer}"
    right = options.get(answer, "") if options else answer
    if len(right) < _SHORTEST_LEAK or not _has(shown, right):
        return ""
    if not options:
        return f"the answer, {right[:60]!r}, is in the text"
    if any(_has(shown, text) for letter, text in options.items() if letter != answer):
        return ""
    return f"of all options only the right one, {right[:60]!r}, is in the text"


def _has(text: str, part: str) -> bool:
    pattern = rf"(?<!\w){re.escape(part.strip())}(?!\w)"
    return re.search(pattern, text, re.IGNORECASE) is not None


def _group(index: str) -> str:
    plain = normal_index(index)
    return str(int(plain) % ROTATION) if plain.isdecimal() else plain
