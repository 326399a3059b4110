"""Start-up of the command line, beside a bare interpreter and an import of torch, in one run.

Seconds are those of the processor: on a shared machine the wall clock measures the neighbours.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes import processor_seconds

pytestmark = pytest.mark.bench

ROUNDS = 7
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "--help": [sys.executable, "-m", "harness.cli", "--help"],
    "list": [sys.executable, "-m", "harness.cli", "list"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def test_start_up(tmp_path: Path):
    # As installed: compiled files are kept, whatever this shell says about them.
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}

    def seconds(command: list[str]) -> float:
        return processor_seconds(
            lambda: subprocess.run(command, capture_output=True, check=True, env=os.environ | kept)
        )

    for command in COMMANDS.values():
        seconds(command)  # files into the cache
    rounds = [{name: seconds(c) for name, c in COMMANDS.items()} for _ in range(ROUNDS)]
    least = {name: min(r[name] for r in rounds) for name in COMMANDS}
    for name in COMMANDS:
        middle = statistics.median(r[name] for r in rounds)
        print(
            f"{name:>12}: {least[name]:.3f} s (median {middle:.3f} s), "
            f"{least[name] / least['python']:.1f}x a bare interpreter"
        )
    assert least["list"] < 0.3
    assert least["--help"] < 0.3
    assert least["list"] < 0.5 * least["import torch"]
