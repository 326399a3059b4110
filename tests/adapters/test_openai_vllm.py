"""The `openai` adapter against a real vLLM; skipped unless there is one.

Start one with a model that sees pictures, and name its address:

    vllm serve Qwen/Qwen2.5-VL-3B-Instruct --served-model-name cheers-bench --port 8000
    export CHEERS_BENCH_VLLM_URL=http://127.0.0.1:8000/v1
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ledger.export import export_rows

URL = os.environ.get("CHEERS_BENCH_VLLM_URL", "")
SERVED = "cheers-bench"
SAMPLES = 16

pytestmark = pytest.mark.skipif(
    not URL,
    reason="CHEERS_BENCH_VLLM_URL isn't set: vllm serve Qwen/Qwen2.5-VL-3B-Instruct "
    f"--served-model-name {SERVED}, then CHEERS_BENCH_VLLM_URL=http://127.0.0.1:8000/v1",
)


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(folder: Path) -> Path:
    asked = ["run", "--task", "shapes-mmbench", "--limit", str(SAMPLES), "--out", str(folder)]
    command(*asked, "--model", f"openai:{URL}", "--model-arg", f"model={SERVED}")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("vllm")
    return run(folder / "first"), run(folder / "second")


def test_each_sample_is_answered_counted_and_timed(runs: tuple[Path, Path]):
    rows = list(export_rows(runs[0]))
    assert len(rows) >= SAMPLES
    assert {row["verdict"] for row in rows} <= {"ok", "wrong", "unparsed"}
    for row in rows:
        assert row["text"].strip()
        assert row["completion_tokens"] >= 1
        assert row["ttft_s"] is None or 0 < row["ttft_s"] <= row["total_s"]


def test_two_runs_of_one_server_agree(runs: tuple[Path, Path]):
    """Greedy answers may part at ties, since what shares a batch differs; most must not."""
    said = command("parity", *map(str, runs), "--least", "0.9", "--format", "json")
    assert json.loads(said)
