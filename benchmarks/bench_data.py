"""Tables of base64 pictures: memory that doesn't grow with rows, and speed against whole files.

Run with `python -m pytest benchmarks/bench_data.py -m bench --benchmark-enable -s`. Memory is
measured in processes of their own.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.ratios import compare
from harness.data import open_table
from harness.data import pictures as pictures_module

pytestmark = pytest.mark.bench

COLUMNS = ("index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image")

PEAK = """
import json, sys
from pathlib import Path
def peak():  # of this program: getrusage's peak includes that of the process it was forked from
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
from harness.data import open_table
way, path, warm = sys.argv[1:]
import csv, PIL.Image
open_table(warm).images(0)
before = peak()
rows = 0
if way == "streamed":
    for row in open_table(path):
        rows += len(row["question"]) > 0
elif way == "pictures":
    table = open_table(path)
    for row in table:
        rows += len(table.images(row.number))
else:
    csv.field_size_limit(1 << 28)
    with open(path, newline="", encoding="utf-8") as file:
        everything = list(csv.DictReader(file, delimiter="\\t"))
    rows = len(everything)
print(json.dumps({"rows": rows, "growth_mib": peak() - before}))
"""


def photo(seed: int, side: int) -> str:
    """A picture that compresses about as a photograph does, as base64 of a JPEG."""
    small = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(
        buffer, "JPEG", quality=90
    )
    return base64.b64encode(buffer.getvalue()).decode()


def write(path: Path, rows: int, side: int = 256, *, rotations: int = 1) -> Path:
    """A table as MMBench's; `rotations` rows of a group share the picture of the first."""
    shots = [photo(seed, side) for seed in range(16)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for n in range(rows):
            turn, group = n % rotations, n // rotations
            image = shots[group % 16] if turn == 0 else str(group)
            texts = [f"What is shown in picture {n}?", "", "a cat", "a dog", "a fox", "an owl"]
            writer.writerow([turn * 1_000_000 + group, *texts, "A", "recognition", image])
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("tables")
    return {rows: write(folder / f"{rows}.tsv", rows) for rows in (5, 500, 5000)}


def growth(way: str, rows: int, tables: dict[int, Path]) -> float:
    """Growth of the peak of resident memory in MiB, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, way, str(tables[rows]), str(tables[5])],
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(done.stdout)
    assert measured["rows"] == rows
    return float(measured["growth_mib"])


@pytest.mark.parametrize("way", ["streamed", "pictures"])
def test_memory_doesnt_grow_with_rows(tables: dict[int, Path], way: str):
    few, many = (growth(way, rows, tables) for rows in (500, 5000))
    whole = growth("whole", 5000, tables)
    size = tables[5000].stat().st_size / 2**20
    print(
        f"\n{way}: peak grows by {few:.1f} MiB over 500 rows, by {many:.1f} MiB over 5,000 "
        f"({size:.0f} MiB file); the csv module with all rows in a list: {whole:.0f} MiB"
    )
    assert many < few + 4
    assert many < whole / 10


def test_streaming_is_faster_than_reading_all_rows_with_csv(
    benchmark: BenchmarkFixture, tables: dict[int, Path]
):
    path = tables[500]

    def streamed() -> None:
        assert sum(1 for _ in open_table(path)) == 500

    def whole() -> None:
        before = csv.field_size_limit(1 << 28)
        try:
            with path.open(newline="", encoding="utf-8") as file:
                assert len(list(csv.DictReader(file, delimiter="\t"))) == 500
        finally:
            csv.field_size_limit(before)

    ratio = compare(benchmark, streamed, whole, rounds=9)
    print(f"\nreading all rows with csv takes {ratio} as long as streaming them")
    assert ratio.median > 1.5


def test_rotations_share_a_decoded_picture(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = write(tmp_path / "t.tsv", 64, side=768, rotations=4)

    def read(kept: int) -> None:
        monkeypatch.setattr(pictures_module, "_KEPT", kept)
        table = open_table(path)
        for number in range(64):
            table.images(number)

    ratio = compare(benchmark, lambda: read(8), lambda: read(0), rounds=7)
    print(f"\ndecoding each of 4 rotations anew takes {ratio} as long as keeping the last pictures")
    assert ratio.median > 1.5
