"""Where golden data lies."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_FOLDER = Path(__file__).resolve().parents[1] / "golden"


def golden_root() -> Path:
    """The folder of golden cases, and of every model's golden folder."""
    return Path(os.environ.get("CHEERS_BENCH_GOLDEN") or DEFAULT_FOLDER)
