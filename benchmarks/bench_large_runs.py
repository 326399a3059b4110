"""Runs of a million samples and tables of hundreds of runs: what a command must not take long for.

Run with `python -m pytest benchmarks/bench_large_runs.py -m bench --benchmark-enable -s`; building
the run takes minutes. Seconds are those of the processor, of the fastest of a few rounds; the same
work at a tenth of the size says how it grows.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_task import counting_run
from harness.leaderboard import build_table, render
from harness.ledger import Ledger, LedgerWriter, read_manifest
from harness.ledger.ledger import first_row
from harness.run import plan
from harness.runspec import ModelRef, RunSpec, TaskRef

pytestmark = pytest.mark.bench

MANY = 1_000_000
RUNS, ROUNDS = 200, 3


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the fastest round."""
    return min(_once(work) for _ in range(ROUNDS))


def _once(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Runs that stopped in the middle, by their numbers of samples."""
    folder = tmp_path_factory.mktemp("halves")
    return {n: halved(counting_run(folder / str(n), n), n) for n in (MANY // 10, MANY)}


def halved(folder: Path, samples: int) -> Path:
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        middle = (first_row(0) + samples // 2,)
        ledger.execute("DELETE FROM responses WHERE n >= ?", middle)
        ledger.execute("DELETE FROM outcomes WHERE n >= ?", middle)
    ledger.close()
    return folder


def opened(folder: Path) -> None:
    """Open a run and say how far it is, as `show` begins."""
    read_manifest(folder)
    with Ledger.open(folder) as ledger:
        ledger.results()
        ledger.counts("counting")
        ledger.verdict_counts("counting")


def resumed(folder: Path) -> None:
    """Find the first samples to ask about, as a repeated `run` begins."""
    with LedgerWriter.open(folder) as ledger:
        ledger.forget_missing("counting")
        assert not list(ledger.pictures("counting"))
        ledger.counts("counting")
        assert len(ledger.pending("counting", None, 256)) == 256


def planned(folder: Path, samples: int) -> None:
    """Plan the rest with every request made, as `run --dry-run` does."""
    task = TaskRef(task="counting", options={"samples": samples})
    spec = RunSpec(tasks=(task,), model=ModelRef(name="null"), out=str(folder))
    assert plan(spec).tasks[0].requests == samples // 2


def test_a_million_samples(benchmark: BenchmarkFixture, halves: dict[int, Path]):
    most = {"open": 1.0, "resume": 5.0, "dry run": 5.0}
    work: dict[str, Callable[[Path, int], None]] = {
        "open": lambda folder, _: opened(folder),
        "resume": lambda folder, _: resumed(folder),
        "dry run": planned,
    }
    for name, limit in most.items():
        took = {n: seconds(partial(work[name], halves[n], n)) for n in halves}
        few, many = took[MANY // 10], took[MANY]
        benchmark.extra_info[name] = many
        print(f"\n{name}: {many:.2f} s, {many / few:.1f}x of a tenth of the samples")
        assert many <= limit
        assert many / few < 20
    benchmark.pedantic(lambda: None, rounds=1, iterations=1)


def test_a_table_of_many_runs(benchmark: BenchmarkFixture, tmp_path: Path):
    first = counting_run(tmp_path / "run0", 1_000)
    manifest = json.loads((first / "manifest.json").read_text())
    folders = [first]
    for number in range(1, RUNS):
        folders.append(shutil.copytree(first, tmp_path / f"run{number}"))
        labelled = manifest | {"label": f"model {number}"}
        (folders[-1] / "manifest.json").write_text(json.dumps(labelled))
    table = build_table(folders)
    assert len(table.rows) == RUNS
    took = seconds(lambda: render(build_table(folders), "html"))
    benchmark.extra_info["seconds"] = took
    benchmark.pedantic(lambda: None, rounds=1, iterations=1)
    print(f"\na page of {RUNS} runs: {took:.2f} s")
    assert took <= 2
