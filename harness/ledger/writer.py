"""Writing a run folder's ledger: one writer, rows gathered into short transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from harness.errors import DataError
from harness.ledger.faults import explained
from harness.ledger.ledger import Ledger
from harness.ledger.lock import FolderLock
from harness.ledger.rows import (
    RESPONSE_COLUMNS,
    SAMPLE_COLUMNS,
    outcome_row,
    printable,
    response_from,
    response_row,
    sample_from,
    sample_row,
)
from harness.ledger.schema import connect, create_tables
from harness.records import Outcome, Sample, StoredResponse, TaskResult

__all__ = ["Answered", "LedgerWriter", "Pending"]

COMMIT_SECONDS = 0.05
"""Finished work waits at most this long for the next commit, so a kill loses at most this much."""

COMMIT_ROWS = 1000
"""Rows that are gathered at most before a commit."""

_PLAN_ROWS = 1000
_NO_RESPONSE = (None,) * 8
_RESPONSE = (
    "n, request, prompt, text, image_path, image_sha256, loglikelihoods, is_greedy, finish_reason, "
    "usage, timing, error"
)  # named, because a migrated ledger has its columns in another order


class Pending(NamedTuple):
    """A sample that the model hasn't been asked about."""

    n: int
    """Row number."""

    sample: Sample
    """The item."""


class Answered(NamedTuple):
    """A sample that isn't scored yet, with what the model gave back."""

    n: int
    """Row number."""

    sample: Sample
    """The item."""

    response: StoredResponse | None
    """The response; `None` if there is none or the model failed."""

    error: str | None
    """Traceback of the model's failure."""


class LedgerWriter(Ledger):
    """Write access to a run folder; at most one at a time, across processes.

    Build it with `LedgerWriter.create` or `LedgerWriter.open`. Added rows are gathered and
    committed together: call `commit_if_due` after each batch, and `commit` at the end of a phase.

    Args:
        folder: Run folder.
        connection: Open database.
        lock: The folder's lock, held.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: FolderLock) -> None:
        super().__init__(folder, connection)
        self._lock = lock
        self._responses: list[tuple[Any, ...]] = []
        self._outcomes: list[tuple[Any, ...]] = []
        self._committed = time.monotonic()

    @classmethod
    def create(cls, folder: str | Path, tasks: Sequence[str]) -> Self:
        """Create the ledger of a new run.

        Args:
            folder: Run folder, created if it doesn't exist.
            tasks: Names of the run's tasks, in order.

        Raises:
            LedgerError: The folder can't be written, is in use, or holds another run's ledger.
        """
        folder = Path(folder)
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            return cls._locked(folder, lambda: _with_tasks(create_tables(folder), tasks))

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open the ledger of an existing run for writing.

        Raises:
            LedgerError: It's missing, damaged, too new, read-only or in use.
        """
        folder = Path(folder)
        with explained(folder):
            return cls._locked(folder, lambda: connect(folder, write=True))

    @classmethod
    def _locked(cls, folder: Path, make: Callable[[], sqlite3.Connection]) -> Self:
        lock = FolderLock(folder)
        try:
            return cls(folder, make(), lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Commit what was gathered, fold the log into the database, and give the folder back."""
        try:
            self.commit()
            with suppress(sqlite3.Error):  # a reader may hold the log; it's folded in later
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.close()
            self._lock.release()

    def __exit__(self, *problem: object) -> None:
        if problem[0] is not None:
            # What was worth keeping is committed by now; the rest may be what went wrong.
            self._responses.clear()
            self._outcomes.clear()
        self.close()

    def plan(self, task: str, samples: Iterable[Sample]) -> int:
        """Store all samples of a task, all or none, and return their number.

        Raises:
            DataError: Two samples have the same id and k, or a sample can't be stored.
            LedgerError: The disk is full.
        """
        number, (first, _) = self._number(task), self._range(task)
        with self._transaction():
            stream, total = iter(samples), 0
            while chunk := list(islice(stream, _PLAN_ROWS)):
                self._insert_samples(task, number, first + total, chunk)
                total += len(chunk)
            self._connection.execute("UPDATE tasks SET total = ? WHERE number = ?", (total, number))
        return total

    def pending(self, task: str, after: int | None, limit: int) -> list[Pending]:
        """The next samples without a committed response or error, in the task's order.

        Args:
            task: Name of a planned task.
            after: Row number of the last sample already seen; `None` starts at the first.
            limit: Samples to return at most.
        """
        query = (
            f"SELECT s.n, {SAMPLE_COLUMNS} FROM samples s "  # noqa: S608 -- constant columns
            "WHERE s.n > ? AND s.n < ? AND NOT EXISTS (SELECT 1 FROM responses r WHERE r.n = s.n) "
            "ORDER BY s.n LIMIT ?"
        )
        rows = self._all(query, (*self._after(task, after), limit))
        return [Pending(row[0], sample_from(row[1:])) for row in rows]

    def samples_at(self, rows: Sequence[int]) -> list[Pending]:
        """Samples of given rows, in the task's order."""
        query = f"SELECT s.n, {SAMPLE_COLUMNS} FROM samples s"  # noqa: S608 -- constant columns
        return [Pending(row[0], sample_from(row[1:])) for row in self._at(query, rows)]

    def answered_at(self, rows: Sequence[int]) -> list[Answered]:
        """Samples of given rows with what the model gave back, in the task's order."""
        query = (
            f"SELECT s.n, {SAMPLE_COLUMNS}, {RESPONSE_COLUMNS}, "  # noqa: S608 -- constants
            "r.error, r.n FROM samples s LEFT JOIN responses r USING (n)"
        )
        return [_answered(row) for row in self._at(query, rows)]

    def _at(self, query: str, rows: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(rows), _PLAN_ROWS):
            part = rows[start : start + _PLAN_ROWS]
            marks = ", ".join("?" * len(part))
            yield from self._all(f"{query} WHERE s.n IN ({marks}) ORDER BY s.n", tuple(part))

    def awaits_judge(self, task: str) -> bool:
        """Whether a response of a task has no committed outcome."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM responses r WHERE r.n >= ? AND r.n < ? "
            "AND r.error IS NULL AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.n = r.n))"
        )
        return bool(self._all(query, self._range(task))[0][0])

    def unscored(self, task: str, after: int | None, limit: int) -> list[Answered]:
        """The next samples without a committed outcome; arguments as `pending`."""
        query = (
            f"SELECT s.n, {SAMPLE_COLUMNS}, {RESPONSE_COLUMNS}, "  # noqa: S608 -- constants
            "r.error, r.n FROM samples s LEFT JOIN responses r USING (n) "
            "WHERE s.n > ? AND s.n < ? AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.n = s.n) "
            "ORDER BY s.n LIMIT ?"
        )
        return [_answered(row) for row in self._all(query, (*self._after(task, after), limit))]

    def pictures(self, task: str) -> Iterator[tuple[int, str]]:
        """Row number and path of every stored picture of a task, streamed."""
        query = (
            "SELECT n, image_path FROM responses WHERE n >= ? AND n < ? AND image_path IS NOT NULL"
        )
        return ((row[0], row[1]) for row in self._stream(query, self._range(task)))

    def add_response(self, n: int, request: str, prompt: str, response: StoredResponse) -> None:
        """Record a response; its picture, if any, is already on disk."""
        self._responses.append((n, request, prompt, *response_row(response), None))

    def add_error(self, n: int, request: str, prompt: str, error: str) -> None:
        """Record that the model failed on a sample."""
        row = (n, request, printable(prompt), *_NO_RESPONSE, printable(error))
        self._responses.append(row)

    def add_outcome(self, n: int, outcome: Outcome) -> None:
        """Record a verdict.

        Raises:
            TypeError: Its details can't be written as JSON.
            UnicodeEncodeError: Its details hold lone surrogates.
        """
        self._outcomes.append((n, *outcome_row(outcome)))

    def add_result(self, result: TaskResult) -> None:
        """Record a task's result, replacing an earlier one."""
        with self._transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?)",
                (result.task, msgspec.json.encode(result)),
            )

    def commit_if_due(self) -> None:
        """Commit if the oldest gathered row may have waited `COMMIT_SECONDS`, or many wait."""
        if (
            time.monotonic() - self._committed >= COMMIT_SECONDS
            or len(self._responses) + len(self._outcomes) >= COMMIT_ROWS
        ):
            self.commit()

    def commit(self) -> None:
        """Write all gathered rows in one transaction.

        Raises:
            LedgerError: The disk is full or failed; what was committed earlier is intact.
        """
        if self._responses or self._outcomes:
            with self._transaction():
                self._connection.executemany(
                    f"INSERT INTO responses ({_RESPONSE}) "  # noqa: S608 -- constant columns
                    "VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                    self._responses,
                )
                self._connection.executemany(
                    "INSERT INTO outcomes VALUES (?,?,?,?,?)", self._outcomes
                )
            self._responses.clear()
            self._outcomes.clear()
        self._committed = time.monotonic()

    def forget_pictures(self, rows: Sequence[int]) -> None:
        """Drop responses and outcomes of samples whose pictures are gone, to ask them again."""
        with self._transaction():
            for table in ("responses", "outcomes"):
                self._connection.executemany(
                    f"DELETE FROM {table} WHERE n = ?",  # noqa: S608 -- constant names
                    [(n,) for n in rows],
                )

    def forget_missing(self, task: str) -> None:
        """Drop `missing` verdicts, and the responses behind them, to ask those samples again."""
        bounds = self._range(task)
        with self._transaction():
            self._connection.execute(
                "DELETE FROM responses WHERE n IN (SELECT n FROM outcomes "
                "WHERE n >= ? AND n < ? AND verdict = 'missing')",
                bounds,
            )
            self._connection.execute(
                "DELETE FROM outcomes WHERE n >= ? AND n < ? AND verdict = 'missing'", bounds
            )

    def forget_failures(self, task: str) -> None:
        """Drop the model's errors and the judge's failures, to try those samples again."""
        bounds = self._range(task)
        with self._transaction():
            self._connection.execute(
                "DELETE FROM responses WHERE n >= ? AND n < ? AND error IS NOT NULL", bounds
            )
            self._connection.execute(
                "DELETE FROM outcomes WHERE n >= ? AND n < ? "
                "AND verdict IN ('errored', 'judge_failed')",
                bounds,
            )

    def forget_outcomes(self, task: str) -> None:
        """Drop a task's verdicts and result, to score its responses again."""
        with self._transaction():
            self._connection.execute(
                "DELETE FROM outcomes WHERE n >= ? AND n < ?", self._range(task)
            )
            self._connection.execute("DELETE FROM results WHERE task = ?", (task,))

    def _transaction(self) -> AbstractContextManager[None]:
        return _transaction(self.folder, self._connection)

    def _after(self, task: str, after: int | None) -> tuple[int, int]:
        first, end = self._range(task)
        return (first - 1 if after is None else after), end

    def _insert_samples(self, task: str, number: int, n: int, chunk: list[Sample]) -> None:
        try:
            rows = [(n + i, number, *sample_row(sample)) for i, sample in enumerate(chunk)]
            self._connection.executemany("INSERT INTO samples VALUES (?,?,?,?,?,?,?,?)", rows)
        except sqlite3.IntegrityError as error:
            raise self._duplicate(task, n, chunk) from error
        except (TypeError, UnicodeEncodeError, OverflowError) as error:
            raise _unstorable(task, chunk, error) from error

    def _duplicate(self, task: str, n: int, chunk: list[Sample]) -> DataError:
        seen: set[str] = set()
        query = "SELECT 1 FROM samples WHERE id = ? AND k = ? AND n >= ? AND n < ?"
        earlier = (self._range(task)[0], n)
        for sample in chunk:
            if sample.key in seen or self._all(query, (sample.id, sample.k, *earlier)):
                break
            seen.add(sample.key)
        return DataError(
            f"task {task!r} lists sample {sample.id!r} with k = {sample.k} twice",
            "make (id, k) unique in `samples()`; repeats of a prompt differ in k",
        )


@contextmanager
def _transaction(folder: Path, connection: sqlite3.Connection) -> Iterator[None]:
    """All statements inside, or none; storage faults become `LedgerError`."""
    with explained(folder):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                connection.execute("ROLLBACK")
            raise


def _with_tasks(connection: sqlite3.Connection, tasks: Sequence[str]) -> sqlite3.Connection:
    connection.executemany("INSERT INTO tasks VALUES (?, ?, NULL)", enumerate(tasks))
    return connection


def _answered(row: tuple[Any, ...]) -> Answered:
    error, answered = row[15:]
    has_response = answered is not None and error is None
    response = response_from(row[7:15]) if has_response else None
    return Answered(row[0], sample_from(row[1:7]), response, error)


def _unstorable(task: str, chunk: list[Sample], error: Exception) -> DataError:
    for sample in chunk:
        try:
            msgspec.json.encode(sample)
        except (TypeError, UnicodeEncodeError, OverflowError):
            break
    return DataError(
        f"task {task!r}: sample {printable(sample.id)!r} can't be stored: {error}",
        "`target` and `data` hold JSON values only, and text has no lone surrogates",
    )
