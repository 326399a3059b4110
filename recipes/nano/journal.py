"""The log of a training run: one JSON line a step, kept in line with the checkpoints."""

from __future__ import annotations

import json
import time
from pathlib import Path

__all__ = ["Journal"]


class Journal:
    """A JSON-lines log that forgets what a resumed run will do again.

    Args:
        path: The file; made with its folder when missing.
        start: Lines of this step and later ones are dropped: they will be written again.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._began = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in self._lines() if json.loads(line)["step"] < start]
        self._before = float(json.loads(kept[-1])["seconds"]) if kept else 0.0
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def _lines(self) -> list[str]:
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines()
        # A killed run may have left half a line at the end.
        return [line for line in lines if line.endswith("}")]

    def write(self, step: int, **values: float | str) -> None:
        """Add one line: the step, the seconds spent so far in all sessions, and the values."""
        seconds = round(self._before + time.monotonic() - self._began, 2)
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "seconds": seconds, **rounded}) + "\n")
