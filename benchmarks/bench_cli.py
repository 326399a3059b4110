"""Start-up of the command line, beside a bare interpreter and an import of torch, in one run."""

import statistics
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.bench

ROUNDS = 7
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "--help": [sys.executable, "-m", "harness.cli", "--help"],
    "list": [sys.executable, "-m", "harness.cli", "list"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - start


def test_start_up():
    for command in COMMANDS.values():
        _seconds(command)  # files into the cache
    rounds = [{name: _seconds(c) for name, c in COMMANDS.items()} for _ in range(ROUNDS)]
    median = {name: statistics.median(r[name] for r in rounds) for name in COMMANDS}
    for name, seconds in median.items():
        print(f"{name:>12}: {seconds:.3f} s, {seconds / median['python']:.1f}x a bare interpreter")
    assert median["list"] < 0.3
    assert median["--help"] < 0.3
    assert median["list"] < 0.5 * median["import torch"]
