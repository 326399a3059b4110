"""Reading a run folder's ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from harness.errors import UnknownNameError
from harness.ledger.faults import explained
from harness.ledger.rows import (
    OUTCOME_COLUMNS,
    RESPONSE_COLUMNS,
    SAMPLE_COLUMNS,
    outcome_from,
    response_from,
    sample_from,
)
from harness.ledger.schema import connect
from harness.names import suggest
from harness.records import (
    USUAL_FIRST,
    Outcome,
    Sample,
    ScoredSample,
    StoredResponse,
    TaskResult,
    Verdict,
)

__all__ = ["Counts", "Entry", "Ledger", "Timings", "first_row"]

_ROOM = 1 << 40  # samples that a task may have
_MISSING = Outcome(verdict=Verdict.MISSING, reason="the model wasn't asked yet")
_ENTRY_COLUMNS = f"{SAMPLE_COLUMNS}, {OUTCOME_COLUMNS}, {RESPONSE_COLUMNS}"
_decode_result = msgspec.json.Decoder(TaskResult).decode


class Entry(NamedTuple):
    """All that the ledger knows about one sample."""

    sample: Sample
    """The item."""

    response: StoredResponse | None
    """What the model gave back; `None` if it failed or wasn't asked."""

    outcome: Outcome | None
    """Its verdict; `None` before it's scored."""

    prompt: str
    """The request's prompt; empty if it wasn't asked or has none."""

    request_digest: str
    """Digest of the whole request, pictures included; empty if it wasn't asked."""

    error: str | None = None
    """Traceback of the model's failure."""


class Counts(NamedTuple):
    """How far a task is."""

    total: int
    """Samples planned."""

    answered: int
    """Samples with a response or an error."""

    succeeded: int
    """Samples with a response."""

    judged: int
    """Samples with an outcome."""


class Timings(NamedTuple):
    """What earlier responses of a task cost."""

    responses: int
    """Responses with a recorded time."""

    seconds: float
    """Their share of their batches' wall time, summed."""


def _most_usual(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, without what they were the first of, that `USUAL_FIRST` lets count."""
    for first in USUAL_FIRST:
        if found := [rest for what, *rest in rows if what == first]:
            return [tuple(rest) for rest in found]
    return []


def first_row(number: int) -> int:
    """The `n` of a task's first sample."""
    return number * _ROOM


class Ledger:
    """Read access to the ledger of a run folder; close it, or use it as a context manager.

    Build it with `Ledger.open(folder)`. Several readers may look at a run while it's written.

    Args:
        folder: Run folder.
        connection: Open database.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection
        with explained(folder):
            rows = connection.execute("SELECT name, number FROM tasks ORDER BY number").fetchall()
        self._numbers: dict[str, int] = dict(rows)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open an existing ledger for reading.

        Raises:
            LedgerError: It's missing, damaged, or of a newer schema version.
        """
        folder = Path(folder)
        with explained(folder):
            return cls(folder, connect(folder, write=False))

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tasks(self) -> list[str]:
        """Names of the run's tasks, in order."""
        return list(self._numbers)

    def results(self) -> list[TaskResult]:
        """Results of the tasks that were aggregated, in the order of the run's tasks."""
        found = {task: _decode_result(body) for task, body in self._all("SELECT * FROM results")}
        return [found[task] for task in self._numbers if task in found]

    def scored(self, task: str) -> Iterator[ScoredSample]:
        """All planned samples of a task in its order, streamed; not yet scored is `missing`."""
        query = (
            f"SELECT {SAMPLE_COLUMNS}, {OUTCOME_COLUMNS} "  # noqa: S608 -- constant columns
            "FROM samples s LEFT JOIN outcomes o USING (n) WHERE s.n >= ? AND s.n < ? ORDER BY s.n"
        )
        for row in self._stream(query, self._range(task)):
            outcome = _MISSING if row[6] is None else outcome_from(row[6:])
            yield ScoredSample(sample=sample_from(row), outcome=outcome)

    def entries(self, task: str) -> Iterator[Entry]:
        """All that is known about each sample of a task, in its order, streamed."""
        query = self._entry_query("s.n >= ? AND s.n < ? ORDER BY s.n")
        return map(_entry, self._stream(query, self._range(task)))

    def sample(self, task: str, sample_id: str, k: int = 0) -> Entry:
        """All that is known about one sample.

        Raises:
            UnknownNameError: The task isn't in the run, or has no such sample.
        """
        number = self._number(task)
        query = self._entry_query("s.id = ? AND s.k = ? AND s.task = ?")
        rows = self._all(query, (sample_id, k, number))
        if not rows:
            raise UnknownNameError(
                f"task {task!r} has no sample {sample_id!r} with k = {k} in {self.folder}",
                self._suggest_sample(number, sample_id),
            )
        return _entry(rows[0])

    def scored_at(self, task: str, position: int) -> ScoredSample:
        """The sample at a position of the task's order, with its outcome.

        Raises:
            IndexError: The task has fewer samples.
        """
        rows = self._all(self._entry_query("s.n = ?"), (self._range(task)[0] + position,))
        if not rows:
            raise IndexError(position)
        entry = _entry(rows[0])
        return ScoredSample(sample=entry.sample, outcome=entry.outcome or _MISSING)

    def verdict_counts(self, task: str) -> dict[Verdict, int]:
        """How many samples of a task ended in each verdict; all six are named."""
        query = "SELECT verdict, count(*) FROM outcomes WHERE n >= ? AND n < ? GROUP BY verdict"
        found = dict(self._all(query, self._range(task)))
        counts = {verdict: int(found.get(verdict.value, 0)) for verdict in Verdict}
        counts[Verdict.MISSING] += (self.total(task) or 0) - sum(counts.values())
        return counts

    def total(self, task: str) -> int | None:
        """Samples planned for a task; `None` before its samples are in the ledger."""
        row = self._all("SELECT total FROM tasks WHERE number = ?", (self._number(task),))[0]
        return None if row[0] is None else int(row[0])

    def counts(self, task: str) -> Counts:
        """How far a task is."""
        answered, succeeded = self._all(
            "SELECT count(*), count(*) - count(error) FROM responses WHERE n >= ? AND n < ?",
            self._range(task),
        )[0]
        judged = self._all(
            "SELECT count(*) FROM outcomes WHERE n >= ? AND n < ?", self._range(task)
        )[0][0]
        return Counts(self.total(task) or 0, answered, succeeded, judged)

    def timings(self, task: str) -> Timings:
        """What the task's stored responses cost, for estimates; those of `USUAL_FIRST` count."""
        rows = self._all(
            "SELECT json_extract(CAST(timing AS TEXT), '$.first'), count(*), "
            "total(json_extract(CAST(timing AS TEXT), '$.total_s') / "
            "json_extract(CAST(timing AS TEXT), '$.batch_size')) FROM responses "
            "WHERE n >= ? AND n < ? AND json_extract(CAST(timing AS TEXT), '$.total_s') "
            "IS NOT NULL GROUP BY 1",
            self._range(task),
        )
        usual = _most_usual(rows)
        return Timings(*usual[0]) if usual else Timings(0, 0.0)

    def pending_rows(self, task: str) -> list[tuple[int, str]]:
        """Row number and cluster of every sample without a committed response, in order.

        For a probe, whose samples have outcomes alone, of every sample without either.
        """
        query = (
            "SELECT s.n, COALESCE(s.cluster, s.id) FROM samples s WHERE s.n >= ? AND s.n < ? "
            "AND NOT EXISTS (SELECT 1 FROM responses r WHERE r.n = s.n) "
            "AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.n = s.n) ORDER BY s.n"
        )
        return [(row[0], row[1]) for row in self._all(query, self._range(task))]

    def batch_times(self, task: str) -> list[tuple[int, float]]:
        """Size and wall time in seconds of the batches of a task that were timed, smallest first.

        A model's first batches in a process count as `USUAL_FIRST` says. Responses of one batch
        carry the same time to the last digit, which no two batches do.
        """
        rows = self._all(
            "SELECT DISTINCT json_extract(CAST(timing AS TEXT), '$.first'), "
            "json_extract(CAST(timing AS TEXT), '$.batch_size'), "
            "json_extract(CAST(timing AS TEXT), '$.total_s') FROM responses WHERE n >= ? AND n < ? "
            "AND json_extract(CAST(timing AS TEXT), '$.total_s') IS NOT NULL ORDER BY 2, 3",
            self._range(task),
        )
        return [(int(size), float(seconds)) for size, seconds in _most_usual(rows)]

    def _number(self, task: str) -> int:
        try:
            return self._numbers[task]
        except KeyError:
            raise UnknownNameError(
                f"{self.folder} has no task {task!r}",
                suggest(task, self._numbers) or "it has: " + ", ".join(self._numbers),
            ) from None

    def _range(self, task: str) -> tuple[int, int]:
        number = self._number(task)
        return first_row(number), first_row(number + 1)

    @staticmethod
    def _entry_query(where: str) -> str:
        return (
            f"SELECT {_ENTRY_COLUMNS}, r.prompt, r.request, r.error "  # noqa: S608 -- constants
            "FROM samples s LEFT JOIN outcomes o USING (n) LEFT JOIN responses r USING (n) "
            f"WHERE {where}"
        )

    def _suggest_sample(self, number: int, wrong: str) -> str:
        repeats = self._all(
            "SELECT k FROM samples WHERE task = ? AND id = ? ORDER BY k LIMIT 20", (number, wrong)
        )
        if repeats:
            return "it has k = " + ", ".join(str(k) for (k,) in repeats)
        ids = self._all(
            "SELECT DISTINCT id FROM samples WHERE task = ? ORDER BY n LIMIT 2000", (number,)
        )
        known = [row[0] for row in ids]
        return suggest(wrong, known) or "ids start with: " + ", ".join(known[:3])

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with explained(self.folder):
            return self._connection.execute(query, values).fetchall()

    def _stream(self, query: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        with explained(self.folder):
            cursor = self._connection.execute(query, values)
        while True:
            with explained(self.folder):
                rows = cursor.fetchmany(256)
            if not rows:
                return
            yield from rows


def _entry(row: tuple[Any, ...]) -> Entry:
    sample, verdict, response = row[:6], row[6:10], row[10:18]
    prompt, request, error = row[18:]
    outcome = None if verdict[0] is None else outcome_from(verdict)
    if outcome is None and error is not None:
        outcome = Outcome(verdict=Verdict.ERRORED, reason=error)
    answered = request is not None and error is None
    return Entry(
        sample=sample_from(sample),
        response=response_from(response) if answered else None,
        outcome=outcome,
        prompt=prompt or "",
        request_digest=request or "",
        error=error,
    )
