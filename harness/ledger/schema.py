"""Tables of `ledger.sqlite`, and how it's opened.

`samples.n` is the task's number times 2**40 plus the sample's position in the task, so a task's
rows lie together, in the task's order, whatever the order in which they were finished.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

from harness.errors import LedgerError
from harness.migrations import migrate_ledger
from harness.records import SCHEMA_VERSION

__all__ = ["LEDGER", "connect", "create_tables"]

LEDGER = "ledger.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tasks (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, total INTEGER);
CREATE TABLE IF NOT EXISTS samples (
    n INTEGER PRIMARY KEY, task INTEGER NOT NULL, id TEXT NOT NULL, k INTEGER NOT NULL,
    cluster TEXT, category TEXT, target BLOB, data BLOB, UNIQUE (id, k, task));
CREATE TABLE IF NOT EXISTS responses (
    n INTEGER PRIMARY KEY, request TEXT NOT NULL, prompt TEXT NOT NULL, text TEXT,
    image_path TEXT, image_sha256 TEXT, loglikelihoods TEXT, is_greedy TEXT,
    finish_reason TEXT, usage BLOB, timing BLOB, error TEXT);
CREATE TABLE IF NOT EXISTS outcomes (
    n INTEGER PRIMARY KEY, verdict TEXT NOT NULL, reason TEXT, scores BLOB, details BLOB);
CREATE TABLE IF NOT EXISTS results (task TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""


def connect(folder: Path, *, write: bool) -> sqlite3.Connection:
    """Open an existing ledger, migrating an older one.

    Raises:
        LedgerError: It doesn't exist or is newer than this program.
        sqlite3.Error: It's damaged or can't be opened.
    """
    path = folder / LEDGER
    if not path.is_file():
        raise LedgerError(
            f"{folder} has no {LEDGER}", "give the folder that `cheers-bench run --out` wrote"
        )
    with ExitStack() as undo:
        connection = _open(path, "rw" if write else "ro")
        undo.callback(connection.close)
        found = _version(connection, path)
        if found == SCHEMA_VERSION:
            undo.pop_all()
            return connection
    return _migrated(path, found)


def _migrated(path: Path, found: int) -> sqlite3.Connection:
    with ExitStack() as undo:
        connection = _open(path, "rw")
        undo.callback(connection.close)
        migrate_ledger(connection, found, where=str(path))
        undo.pop_all()
        return connection


def create_tables(folder: Path) -> sqlite3.Connection:
    """Create the database of a new run folder and open it for writing.

    Raises:
        LedgerError: A database with samples is already there, without its manifest.
        sqlite3.Error: It can't be created.
    """
    connection = _open(folder / LEDGER, "rwc")
    connection.executescript(f"BEGIN;{_TABLES}")
    connection.execute(
        "INSERT OR IGNORE INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),)
    )
    connection.execute("COMMIT")
    if connection.execute("SELECT EXISTS (SELECT 1 FROM samples)").fetchone()[0]:
        connection.close()
        raise LedgerError(
            f"{folder} holds the results of a run, but its manifest.json is gone",
            "restore manifest.json, or choose another folder with --out",
        )
    connection.execute("DELETE FROM tasks")
    return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    try:
        return _configured(f"{path.absolute().as_uri()}?mode={mode}", mode)
    except sqlite3.OperationalError as error:
        # A finished run on a read-only medium: WAL can't be set up there, and isn't needed.
        if mode != "ro" or not str(getattr(error, "sqlite_errorname", "")).startswith(
            ("SQLITE_CANTOPEN", "SQLITE_READONLY")
        ):
            raise
        return _configured(f"{path.absolute().as_uri()}?mode=ro&immutable=1", mode)


def _configured(uri: str, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)
    if mode == "ro":
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -8192")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        return int(row[0])
    except (sqlite3.OperationalError, TypeError, ValueError) as error:
        raise LedgerError(
            f"{path} is not the ledger of a run: {error}",
            "restore it from a copy, or run again into a new folder",
        ) from error
