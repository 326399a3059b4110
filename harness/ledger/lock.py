"""One writer per run folder, also across processes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from harness.errors import LedgerError

__all__ = ["FolderLock"]


class FolderLock:
    """Exclusive lock on a folder; the kernel frees it when its process dies, however it dies.

    Args:
        folder: Existing folder.

    Raises:
        LedgerError: Another process holds the lock.
        OSError: The lock file can't be created.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise LedgerError(
                f"{folder} is being written by another process",
                "wait until that run has finished, or choose another folder with --out",
            ) from None

    def release(self) -> None:
        """Give the folder back."""
        os.close(self._file)
