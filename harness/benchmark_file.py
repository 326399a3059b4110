"""Runs in the JSON files of pytest-benchmark, put there by the fixture `bench_tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.baselines import Baseline, decode_baseline
from harness.errors import LedgerError, UnknownNameError
from harness.names import suggest

__all__ = ["KEY", "is_benchmark_file", "read_benchmark_file"]

KEY = "cheers_bench"
"""Where a benchmark's `extra_info` holds the run, as the object of a baseline."""

_SEPARATOR = "::"


def is_benchmark_file(path: str | Path) -> bool:
    """Whether a path, with or without `::TEST`, names a JSON file."""
    return _parts(path)[0].suffix == ".json"


def read_benchmark_file(path: str | Path) -> Baseline:
    """The run that one test of the file recorded.

    Args:
        path: The file; `FILE::TEST` where several tests of it recorded a run.

    Raises:
        LedgerError: It isn't such a file, or holds no run or several.
        UnknownNameError: None of its tests with a run has that name.
    """
    file, test = _parts(path)
    runs = _runs(file)
    if not runs:
        raise LedgerError(
            f"{file} holds no run of cheers-bench", "record one with the fixture `bench_tasks`"
        )
    if test and test not in runs:
        hint = suggest(test, runs) or "it has: " + ", ".join(runs)
        raise UnknownNameError(f"{file} holds no run of a test {test!r}", hint)
    if not test and len(runs) > 1:
        raise LedgerError(
            f"{file} holds the runs of {len(runs)} tests",
            "name one: " + ", ".join(f"{file}{_SEPARATOR}{name}" for name in runs),
        )
    name = test or next(iter(runs))
    return decode_baseline(runs[name], f"{file}{_SEPARATOR}{name}")


def _parts(path: str | Path) -> tuple[Path, str]:
    file, _, test = str(path).partition(_SEPARATOR)
    return Path(file), test


def _runs(file: Path) -> dict[str, dict[str, Any]]:
    try:
        report = msgspec.json.decode(file.read_bytes())
        found = {one["name"]: one["extra_info"].get(KEY, {}) for one in report["benchmarks"]}
        return {name: dict(run) for name, run in found.items() if run}
    except FileNotFoundError:
        raise LedgerError(f"there is no file {file}", "check the path") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(
            f"{file} isn't a report of pytest-benchmark ({type(error).__name__}: {error})",
            "write one with `pytest --benchmark-json FILE`",
        ) from error
