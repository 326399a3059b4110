"""Judging a folder of images: memory doesn't grow with the number of images.

Run with `python -m pytest benchmarks/bench_streaming.py -m bench --benchmark-enable -s`. Each size
is judged in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.bench

PROMPT = {
    "tag": "single_object",
    "include": [{"class": "circle", "count": 1}],
    "prompt": "a photo of a circle",
}
PER_PROMPT = 4
PER_FILE = 5_000  # prompts; a file system allows so many links to one file

RUN = """
import json, resource, sys, time
from pathlib import Path
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef

def judge(folder, out):
    options = {"prompts": folder + "/prompts.jsonl", "detector": "classical", "color_judge": "none"}
    execute(RunSpec(
        tasks=(TaskRef(task="geneval", options=options),),
        model=ModelRef(name="recorded", args={"path": folder + "/images"}),
        out=out,
    ))

judge(sys.argv[1], sys.argv[2] + "-warm")
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
judge(sys.argv[3], sys.argv[2])
print(json.dumps({
    "seconds": time.perf_counter() - start,
    "growth_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
}))
"""


def lay_out(root: Path, prompts: int) -> Path:
    """A folder in GenEval's layout, its images links to a few files on the disk."""
    root.mkdir(parents=True)
    line = json.dumps(PROMPT) + "\n"
    (root / "prompts.jsonl").write_text(line * prompts)
    for number in range(prompts):
        picture = root / f"picture-{number // PER_FILE}.png"
        if not picture.exists():
            Image.new("RGB", (32, 32), "white").save(picture)
        samples = root / "images" / f"{number:05d}" / "samples"
        samples.mkdir(parents=True)
        (samples.parent / "metadata.jsonl").write_text(line)
        for k in range(PER_PROMPT):
            os.link(picture, samples / f"{k:05d}.png")
    return root


def judged(few: Path, folder: Path, out: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(few), str(out), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@pytest.mark.parametrize("images", [10_000, 100_000])
def test_judging_a_folder_streams(benchmark: BenchmarkFixture, tmp_path: Path, images: int):
    few = lay_out(tmp_path / "few", 250)
    folder = lay_out(tmp_path / "many", images // PER_PROMPT)
    measured = benchmark.pedantic(
        lambda: judged(few, folder, tmp_path / "run"), rounds=1, iterations=1
    )
    benchmark.extra_info.update(measured)
    print(f"\n{images} images after 1,000: {measured}")
    # SQLite's page cache fills, and each metric's column takes 24 bytes an image.
    assert measured["growth_mib"] <= 60
