"""What the engine itself costs per sample, with a model that costs nothing.

Run with `python -m pytest benchmarks/bench_overhead.py -m bench --benchmark-enable`. Each round
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

pytestmark = pytest.mark.bench

RUN = """
import json, resource, sys, time
from harness.registry import tasks
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from benchmarks.counting_task import CountingTask

samples, out = int(sys.argv[1]), sys.argv[2]
tasks().add("counting", CountingTask)
spec = RunSpec(
    tasks=(TaskRef(task="counting", options={"samples": samples}),),
    model=ModelRef(name="null"),
    out=out,
)
warm = RunSpec(
    tasks=(TaskRef(task="counting", options={"samples": 300}),),
    model=ModelRef(name="null"),
    out=out + "-warm",
)
execute(warm)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wall, cpu = time.perf_counter(), time.process_time()
execute(spec)
print(json.dumps({
    "wall_us": (time.perf_counter() - wall) / samples * 1e6,
    "cpu_us": (time.process_time() - cpu) / samples * 1e6,
    "peak_growth_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
}))
"""


def run(samples: int, out: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(samples), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@pytest.mark.parametrize("samples", [1_000, 100_000])
def test_overhead_per_sample(benchmark: BenchmarkFixture, tmp_path: Path, samples: int):
    """At most 50 microseconds of processor time per sample; memory doesn't grow with samples."""
    rounds = iter(range(100))
    measured = benchmark.pedantic(
        lambda: run(samples, tmp_path / str(next(rounds))), rounds=1, iterations=1
    )
    benchmark.extra_info.update(measured)
    print(f"\n{samples} samples: {measured}")
    assert measured["cpu_us"] <= 50 if samples == 100_000 else measured["cpu_us"] <= 100
    # SQLite's page cache fills to its 8 MiB, and each metric's column takes 24 bytes a sample.
    assert measured["peak_growth_mib"] <= 40
