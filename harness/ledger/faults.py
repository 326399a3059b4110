"""What the operating system and SQLite complain about, in words and with a remedy."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import LedgerError

__all__ = ["explained"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_FREE = "free some space, then repeat the same command: it continues where it stopped"
_PERMIT = "give write permission, or choose another folder with --out"


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn failures of storage inside the block into `LedgerError`.

    Args:
        folder: The run folder, for the message.

    Raises:
        LedgerError: SQLite or the file system failed; nothing that was committed is lost.
    """
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a caller's mistake with its own explanation, not a fault of storage
    except sqlite3.Error as error:
        raise _from_sqlite(error, folder) from error
    except OSError as error:
        raise _from_system(error, folder) from error


def _from_sqlite(error: sqlite3.Error, folder: Path) -> LedgerError:
    name = getattr(error, "sqlite_errorname", None) or ""
    ledger = folder / "ledger.sqlite"
    if name == "SQLITE_FULL":
        return LedgerError(f"no space left to write {ledger}", _FREE)
    if name.startswith("SQLITE_IOERR"):
        return LedgerError(
            f"the disk refused to read or write {ledger} ({name})",
            "check its free space, quota and health, then repeat the same command: it continues",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return LedgerError(f"{ledger} can't be opened or written ({error})", _PERMIT)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LedgerError(f"{ledger} is in use by another process", "wait until it has finished")
    return LedgerError(
        f"{ledger} is damaged ({error})",
        "restore it from a copy, save what is left with `sqlite3 ledger.sqlite .recover`, or run "
        "again into a new folder",
    )


def _from_system(error: OSError, folder: Path) -> LedgerError:
    where = error.filename or folder
    if error.errno in _FULL:
        return LedgerError(f"no space left to write {where}", _FREE)
    if error.errno in _FORBIDDEN:
        return LedgerError(f"{where} can't be written: {error.strerror}", _PERMIT)
    return LedgerError(f"{where}: {error.strerror or error}", "check the path given with --out")
