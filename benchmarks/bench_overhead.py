"""What the engine itself costs per sample, with a model that costs nothing.

Run with `python -m pytest benchmarks/bench_overhead.py -m bench --benchmark-enable -s`. Each round
is a process of its own, so that its peak memory is its own. Beside the engine each process measures
the least that any harness must do, the same rows put into the same tables, so that the ratio of
both holds on a slow machine too.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.bench

RUN = """
import json, sqlite3, sys, time
from pathlib import Path
from benchmarks.counting_task import counting_run
from benchmarks.processes import peak_mib
from harness.ledger.schema import create_tables

samples, out = int(sys.argv[1]), Path(sys.argv[2])
counting_run(Path(f"{out}-warm"), 300)
before = peak_mib()
wall, cpu = time.perf_counter(), time.process_time()
counting_run(out, samples)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = peak_mib() - before

source = sqlite3.connect(out / "ledger.sqlite")
tables = ("samples", "responses", "outcomes")
rows = [source.execute(f"SELECT * FROM {table} LIMIT 100000").fetchall() for table in tables]
bare = Path(f"{out}-bare")
bare.mkdir()
connection = create_tables(bare)
start = time.process_time()
for first in range(0, len(rows[0]), 1000):
    connection.execute("BEGIN")
    for table, part in zip(tables, rows):
        marks = ",".join("?" * len(part[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", part[first : first + 1000])
    connection.execute("COMMIT")
bare_us = (time.process_time() - start) / len(rows[0]) * 1e6
print(json.dumps({
    "wall_us": wall / samples * 1e6,
    "cpu_us": cpu / samples * 1e6,
    "times_bare_inserts": cpu / samples * 1e6 / bare_us,
    "peak_growth_mib": peak,
}))
"""

ROUNDS = {1_000: 3, 100_000: 5, 1_000_000: 1}


def run(samples: int, out: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(samples), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@pytest.mark.parametrize("samples", ROUNDS)
def test_overhead_per_sample(benchmark: BenchmarkFixture, tmp_path: Path, samples: int):
    """At most 50 microseconds of processor time per sample, and a few times bare inserts; memory
    hardly grows with samples."""
    rounds = [run(samples, tmp_path / str(number)) for number in range(ROUNDS[samples])]
    least = {key: min(measured[key] for measured in rounds) for key in rounds[0]}
    middle = {key: statistics.median(measured[key] for measured in rounds) for key in rounds[0]}
    benchmark.extra_info.update({"least": least, "median": middle})
    benchmark.pedantic(lambda: None, rounds=1, iterations=1)
    print(f"\n{samples} samples, {len(rounds)} rounds: least {least}, median {middle}")
    assert least["times_bare_inserts"] <= 8
    if samples == 100_000:
        assert least["cpu_us"] <= 50
    # SQLite's page cache fills to its 8 MiB, and each metric's column takes 24 bytes a sample.
    assert middle["peak_growth_mib"] <= (150 if samples == 1_000_000 else 40)
