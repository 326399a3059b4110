"""Noise files: one JSON object, written atomically."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import LedgerError
from harness.files import write_text
from harness.migrations import Migration, migrate_manifest
from harness.noise.records import NOISE_VERSION, NoiseReport

__all__ = ["MIGRATIONS", "read_noise", "write_noise"]

MIGRATIONS: Sequence[Migration] = ()
"""Steps from older versions of the file, oldest first; `manifest` maps its object."""


def write_noise(path: Path, report: NoiseReport) -> None:
    """Write a noise file.

    Raises:
        LedgerError: It can't be written.
    """
    data = msgspec.json.format(msgspec.json.encode(report, order="sorted"), indent=2)
    write_text(path, data.decode() + "\n")


def read_noise(path: str | Path) -> NoiseReport:
    """Read a noise file, of this version or an older one.

    Raises:
        LedgerError: There's none, or it's damaged or of a newer version.
    """
    try:
        raw = msgspec.json.decode(Path(path).read_bytes(), type=dict[str, object])
        raw = migrate_manifest(raw, where=str(path), current=NOISE_VERSION, steps=MIGRATIONS)
        return msgspec.convert(raw, NoiseReport)
    except (OSError, ValueError) as error:
        raise LedgerError(
            f"{path} can't be read as a noise file: {error}", "make it with `cheers-bench noise`"
        ) from error
