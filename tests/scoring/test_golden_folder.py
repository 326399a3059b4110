"""The parity tests read any golden folder, skip what is absent and notice what differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PARITY = Path(__file__).resolve().parents[1] / "parity"
TARGET = PARITY / "test_mmbench_options.py"
CASE = {
    "id": "held-out-0",
    "prediction": "It is B",
    "choices": {"A": "x", "B": "y"},
    "can_infer_option": "B",
    "can_infer_text": False,
    "can_infer": "B",
    "can_infer_option_verbose": "B",
    "can_infer_verbose": "B",
}


def run_parity(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", str(TARGET)],
        capture_output=True,
        text=True,
        check=False,
        cwd=PARITY.parents[1],
        env={**os.environ, "CHEERS_BENCH_GOLDEN": str(folder)},
    )


def test_an_empty_folder_is_skipped_by_name(tmp_path: Path) -> None:
    result = run_parity(tmp_path)
    assert result.returncode == 0, result.stdout
    assert "scoring/mmbench.jsonl isn't in the golden folder" in result.stdout
    assert " passed" not in result.stdout


@pytest.mark.parametrize(("expected", "code"), [("B", 0), ("A", 1)])
def test_another_folder_is_read_and_checked(tmp_path: Path, expected: str, code: int) -> None:
    (tmp_path / "scoring").mkdir()
    line = json.dumps({**CASE, "can_infer": expected})
    (tmp_path / "scoring" / "mmbench.jsonl").write_text(line + "\n", encoding="utf-8")
    result = run_parity(tmp_path)
    assert result.returncode == code, result.stdout
    assert "held-out-0" in result.stdout


def test_importing_the_scoring_package_loads_no_numpy() -> None:
    code = "import sys, tasks.scoring; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
