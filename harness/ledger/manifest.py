"""`manifest.json`: what a run folder is a run of."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import LedgerError
from harness.ledger.faults import explained
from harness.media import write_bytes
from harness.migrations import migrate_manifest
from harness.records import RunManifest

__all__ = ["MANIFEST", "is_run_folder", "read_manifest", "write_manifest"]

MANIFEST = "manifest.json"


def is_run_folder(folder: Path) -> bool:
    """Whether the folder has a manifest."""
    return (folder / MANIFEST).is_file()


def read_manifest(folder: str | Path) -> RunManifest:
    """Read the manifest of a run folder, of this schema version or an older one.

    Raises:
        LedgerError: The folder isn't a run folder, or its manifest is damaged or too new.
    """
    path = Path(folder) / MANIFEST
    try:
        raw = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise LedgerError(
            f"{folder} is not a run folder: it has no {MANIFEST}",
            "give the folder that `cheers-bench run --out` wrote",
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(raw, dict):
        raise _damaged(path, "it holds no JSON object")
    try:
        return msgspec.convert(migrate_manifest(raw, where=str(path)), RunManifest)
    except msgspec.ValidationError as error:
        raise _damaged(path, error) from error


def write_manifest(folder: Path, manifest: RunManifest) -> None:
    """Write the manifest atomically and durably.

    Raises:
        LedgerError: The disk is full or the folder can't be written.
    """
    data = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2)
    with explained(folder):
        write_bytes(folder / MANIFEST, data + b"\n", durable=True)


def _damaged(path: Path, why: object) -> LedgerError:
    return LedgerError(
        f"{path} is damaged: {why}",
        "restore the file from a copy, or run again into a new folder",
    )
