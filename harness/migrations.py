"""Migrations: how run folders of older schema versions become current ones.

A change that old readers can't read raises `harness.records.SCHEMA_VERSION` and appends one
`Migration` to `MIGRATIONS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import LedgerError
from harness.records import SCHEMA_VERSION

__all__ = ["MIGRATIONS", "Migration", "migrate_ledger", "migrate_manifest"]


def _keep_ledger(_: sqlite3.Connection) -> None:
    """The tables didn't change in this version."""


def _keep_manifest(raw: dict[str, Any]) -> dict[str, Any]:
    return raw


@dataclass(frozen=True)
class Migration:
    """One step, from `version` to `version + 1`."""

    version: int
    """Version that the step reads."""

    ledger: Callable[[sqlite3.Connection], None] = _keep_ledger
    """Changes the tables; runs inside the transaction that also records the new version."""

    manifest: Callable[[dict[str, Any]], dict[str, Any]] = _keep_manifest
    """Maps a manifest's JSON object to the next version's."""


def _add_greediness(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE responses ADD COLUMN is_greedy TEXT")


MIGRATIONS: Sequence[Migration] = (
    Migration(1, ledger=_add_greediness),  # 2: responses say which continuations are greedy
    Migration(2),  # 3: timings may say that a batch was a first one; older ones don't
)
"""All steps, oldest first."""


def migrate_ledger(
    connection: sqlite3.Connection,
    found: int,
    *,
    where: str,
    current: int = SCHEMA_VERSION,
    steps: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Bring an open database from version `found` to `current`, all or nothing.

    Args:
        connection: Database in autocommit mode (`isolation_level=None`).
        found: Version that the database records.
        where: Path for messages.
        current: Version to reach.
        steps: Known migrations.

    Raises:
        LedgerError: The database is newer than `current`, or a step is missing.
    """
    path = _path(found, current, steps, where)
    if not path:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in path:
            step.ledger(connection)
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(current),)
        )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def migrate_manifest(
    raw: dict[str, Any],
    *,
    where: str,
    current: int = SCHEMA_VERSION,
    steps: Sequence[Migration] = MIGRATIONS,
) -> dict[str, Any]:
    """Bring a manifest's JSON object to version `current`.

    Raises:
        LedgerError: It's newer than `current`, or a step is missing.
    """
    for step in _path(raw.get("schema_version", 1), current, steps, where):
        raw = {**step.manifest(raw), "schema_version": step.version + 1}
    return raw


def _path(found: int, current: int, steps: Sequence[Migration], where: str) -> list[Migration]:
    if found > current:
        raise LedgerError(
            f"{where} was written by a newer cheers-bench (schema {found}; this one reads up to "
            f"{current})",
            "upgrade cheers-bench: pip install --upgrade cheers-bench",
        )
    known = {step.version: step for step in steps}
    try:
        return [known[version] for version in range(found, current)]
    except KeyError as missing:
        raise LedgerError(
            f"{where} has schema {found}, and no migration from schema {missing} is known",
            "export it with the cheers-bench that wrote it, or run again into a new folder",
        ) from None
