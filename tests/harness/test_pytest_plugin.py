"""The fixture in a pytest of its own, and the gate on what it recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.benchmark_file import read_benchmark_file
from harness.cli.main import cli
from harness.errors import LedgerError, UnknownNameError
from harness.leaderboard import build_table
from harness.sources import open_source

TESTS = """
def test_reconstruction(bench_tasks):
    results = bench_tasks("reconstruction", model="null", limit=6)
    assert results["reconstruction"].total == 6

def test_latency(bench_tasks):
    options = {"probe-latency": {"rounds": 3, "batch_rounds": 1, "batch_sizes": [1]}}
    results = bench_tasks(model="null", options=options)
    assert results["probe-latency"].metrics[0].value > 0
    assert MARK

def test_plain(benchmark):
    benchmark(lambda: None)
"""


def report(folder: Path, name: str, *arguments: str, tests: str = TESTS) -> Path:
    (folder / "conftest.py").write_text('pytest_plugins = ["harness.pytest_plugin"]\n')
    (folder / "test_it.py").write_text(tests.replace("MARK", "True"))
    target = folder / name
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--benchmark-json={target}", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("project")
    return [report(folder, f"{name}.json") for name in ("old", "new")]


def gate(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["gate", *arguments])


def test_the_report_holds_runs_beside_plain_benchmarks(reports: list[Path]):
    found = json.loads(reports[0].read_text())["benchmarks"]
    held = {one["name"]: "cheers_bench" in one["extra_info"] for one in found}
    assert held == {"test_reconstruction": True, "test_latency": True, "test_plain": False}


def test_a_run_of_the_report_is_read_like_any_other(reports: list[Path]):
    with open_source(f"{reports[0]}::test_reconstruction") as source:
        assert source.manifest.model.name == "null"
        assert len(list(source.scored("reconstruction"))) == 6
        (result,) = source.results()
    assert result.metrics[0].value is not None
    table = build_table([Path(f"{path}::test_latency") for path in reports])
    assert len(table.rows) == 2


def test_the_gate_reads_both_reports(reports: list[Path]):
    old, new = (f"{path}::test_reconstruction" for path in reports)
    found = gate("--baseline", old, "--candidate", new)
    assert found.exit_code == 0, found.output
    assert "equivalent" in found.output


def test_the_gate_compares_timings_of_two_reports(reports: list[Path], tmp_path: Path):
    policy = tmp_path / "timing.yaml"
    policy.write_text("tasks: {probe-latency: {answer_seconds_p50: {ratio: 1000}}}")
    old, new = (f"{path}::test_latency" for path in reports)
    found = gate("--baseline", old, "--candidate", new, "--policy", str(policy))
    assert "answer_seconds_p50" in found.output
    assert "could not judge" not in found.output


def test_several_runs_must_be_told_apart(reports: list[Path]):
    with pytest.raises(LedgerError, match="runs of 2 tests") as error:
        open_source(reports[0])
    assert f"{reports[0]}::test_latency" in error.value.remedy
    assert gate("--baseline", str(reports[0]), "--candidate", str(reports[1])).exit_code != 0


def test_a_wrong_test_is_refused_with_the_nearest_name(reports: list[Path]):
    with pytest.raises(UnknownNameError, match="no run of a test 'test_latenc'") as error:
        read_benchmark_file(f"{reports[0]}::test_latenc")
    assert "test_latency" in error.value.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "isn't a report of pytest-benchmark"),
        ("[]", "isn't a report"),
        ("no JSON", "isn't a report"),
        ('{"benchmarks": [{"name": "a"}]}', "isn't a report"),
        ('{"benchmarks": []}', "holds no run"),
        ('{"benchmarks": [{"name": "a", "extra_info": {}}]}', "holds no run"),
        (
            '{"benchmarks": [{"name": "a", "extra_info": {"cheers_bench": {"name": "x"}}}]}',
            "damaged",
        ),
        ('{"benchmarks": [{"name": "a", "extra_info": {"cheers_bench": 3}}]}', "isn't a report"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(LedgerError, match=message):
        open_source(path)


def test_a_report_that_isn_t_there_is_refused(tmp_path: Path):
    with pytest.raises(LedgerError, match="there is no file"):
        open_source(tmp_path / "report.json")


def test_without_benchmarks_the_tasks_run_all_the_same(tmp_path: Path):
    only = TESTS.partition("def test_latency")[0]
    target = report(tmp_path, "off.json", "--benchmark-disable", tests=only)
    assert not target.exists() or not json.loads(target.read_text() or "{}").get("benchmarks")
