"""The worked example of docs/add-a-model.md, taken from the page and run as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ledger import Ledger
from harness.models import build_model, model_ref
from harness.records import TaskResult

PAGE = Path(__file__).parents[2] / "docs" / "add-a-model.md"
CODE, PLAIN = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
COMMANDS = re.findall(r"^cheers-bench .*$", PAGE.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "my_model.py").write_text(CODE)
    (folder / "plain.py").write_text(PLAIN)
    return folder


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """What every command of the page prints, in order."""
    return {command: run(command, folder) for command in COMMANDS}


def run(command: str, folder: Path) -> str:
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def results(run_folder: Path) -> dict[str, TaskResult]:
    with Ledger.open(run_folder) as ledger:
        return {result.task: result for result in ledger.results()}


def test_the_examples_are_short():
    assert len(PLAIN.splitlines()) < 10
    adapter = CODE[CODE.index("class MyModel") :]
    assert 10 <= len([line for line in adapter.splitlines() if line.strip()]) <= 30


def test_the_commands_run_the_example(folder: Path, printed: dict[str, str]):
    assert len(printed) == 5
    result = results(folder / "runs" / "my-model")["easy-vqa"]
    assert result.total == 300
    assert set(result.verdicts) <= {"ok", "wrong", "unparsed"}
    accuracy = {metric.name: metric.value for metric in result.metrics}
    assert accuracy["accuracy_color"] > 0.5  # it really looks at the picture
    assert accuracy["accuracy_yes-no"] == 0


def test_the_table_shows_it(printed: dict[str, str]):
    table = next(out for command, out in printed.items() if "leaderboard" in command)
    assert "my-model" in table
    assert "easy-vqa" in table


def test_a_probe_that_it_cannot_serve_is_not_applicable(folder: Path, printed: dict[str, str]):
    found = results(folder / "runs" / "probe")
    assert found["probe-tokens"].status == "not_applicable"
    latency = {metric.name: metric.value for metric in found["probe-latency"].metrics}
    assert latency["answer_seconds_p50"] > 0
    assert not [name for name in latency if name.startswith("edit")]


def test_its_argument_reaches_it(folder: Path):
    model = build_model(model_ref(f"{folder}/my_model.py:MyModel", {"fallback": "no"}))
    assert model.fingerprint().config == {"fallback": "no"}


def test_the_plain_function_answers(folder: Path, printed: dict[str, str]):
    result = results(folder / "runs" / "plain")["shapes-mmbench"]
    assert set(result.verdicts) <= {"ok", "wrong", "unparsed"}
    assert result.total == 40


def test_the_example_passes_the_checks(printed: dict[str, str]):
    table = next(out for command, out in printed.items() if "check-adapter" in command)
    assert "passed" in table
    assert "failed" not in table.replace("0 failed", "")
