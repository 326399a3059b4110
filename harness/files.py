"""Writing reports whole or not at all."""

from __future__ import annotations

from pathlib import Path

from harness.errors import LedgerError
from harness.media import write_bytes

__all__ = ["write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically: readers see the old content or the new, never a part.

    Raises:
        LedgerError: The file can't be written; what was there is intact.
    """
    try:
        write_bytes(path, text.encode(), durable=True)
    except OSError as error:
        raise LedgerError(
            f"{path} can't be written: {error.strerror}",
            "name a folder that exists, can be written and has space",
        ) from error
