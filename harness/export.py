"""What it takes to export runs in a format of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

__all__ = ["Exporter"]


class Exporter(Protocol):
    """Writes a run in some format; registered under the group `cheers_bench.exports`."""

    def __call__(self, folder: Path, output: Path | None) -> str:
        """Export a run.

        Args:
            folder: Run folder.
            output: File or folder to write; `None` is the format's own name in the run folder.

        Returns:
            One line that says what was written, and what was left out.

        Raises:
            BenchError: The run has nothing of this format, or the output can't be written.
        """
        ...
