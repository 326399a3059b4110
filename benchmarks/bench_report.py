"""Building a report: seconds grow with the samples, memory doesn't.

Run with `python -m pytest benchmarks/bench_report.py -m bench --benchmark-enable -s`. Each build
is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_task import counting_run

pytestmark = pytest.mark.bench

FEW, MANY = 5_000, 50_000

BUILD = """
import json, re, sys, time
from pathlib import Path
from harness.report import build_report

def peak_mib():
    # Unlike getrusage, this starts anew with the program and not with the process that forked it.
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

small, run, out = map(Path, sys.argv[1:])
build_report([small], out / "warm")
before = peak_mib()
start = time.process_time()
page = build_report([run], out / "report")
print(json.dumps({
    "cpu_s": time.process_time() - start,
    "peak_growth_mib": peak_mib() - before,
    "page_kib": page.stat().st_size / 1024,
    "data_mib": sum(p.stat().st_size for p in (page.parent / "data").iterdir()) / 2**20,
}))
"""


def build(small: Path, run: Path, out: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(small), str(run), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def test_building_a_report_streams(benchmark: BenchmarkFixture, tmp_path: Path):
    """Ten times the samples take about ten times as long and at most a few MiB more."""
    runs = {n: counting_run(tmp_path / f"run{n}", n) for n in (300, FEW, MANY)}
    found = {n: build(runs[300], runs[n], tmp_path / f"out{n}") for n in (FEW, MANY)}
    for samples, measured in found.items():
        print(f"\n{samples} samples: {measured}")
        benchmark.extra_info[str(samples)] = measured
    ratio = found[MANY]["cpu_s"] / found[FEW]["cpu_s"]
    print(f"ten times the samples: {ratio:.1f} times the seconds")
    benchmark.pedantic(lambda: None, rounds=1, iterations=1)
    assert ratio <= 15
    assert found[MANY]["peak_growth_mib"] - found[FEW]["peak_growth_mib"] <= 24
