"""Tasks of a family go through the whole command line: names hold colons, slashes, dots, equals."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.flags import read_flags
from harness.cli.main import cli
from harness.errors import SpecError
from harness.family import TaskFamily
from harness.ledger import Ledger
from harness.registry import task_families, tasks
from harness.task import Task
from tests.harness import toys

NAME = "toy:./dir/my.task=1.yaml"


class Toys(TaskFamily):
    summary = "Toys on demand."

    def task(self, rest: str) -> type[Task]:
        parts = {"text": toys.ToyTask, "picture": toys.ToyPictures}
        base = parts["picture" if rest.startswith("picture") else "text"]
        metadata = toys.metadata(f"toy:{rest}", *base.metadata.requires)
        return type("Made", (base,), {"metadata": metadata})


@pytest.fixture(autouse=True)
def family() -> Iterator[None]:
    task_families().add("toy", Toys())
    yield
    del task_families()._added["toy"]
    tasks()._made.clear()


def _invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def _options(*texts: str, names: tuple[str, ...] = (NAME, "toy:./dir/my")) -> dict[str, object]:
    flags = read_flags(tasks=names, model=None, model_args=(), label=None, task_options=texts)
    return {ref.task: dict(ref.options) for ref in flags["tasks"]}


def test_options_belong_to_the_longest_name_they_start_with():
    assert _options(f"{NAME}.n=3", f"{NAME}.prefix=a=b", "toy:./dir/my.n=4") == {
        NAME: {"n": 3, "prefix": "a=b"},
        "toy:./dir/my": {"n": 4},
    }


@pytest.mark.parametrize("text", ["toy:./dir.n=1", "toy.n=1", "n=1", "other:x.n=1"])
def test_options_of_other_tasks_are_refused(text: str):
    with pytest.raises(SpecError, match="no --task"):
        _options(text)


@pytest.mark.parametrize("text", [f"{NAME}.n", f"{NAME}.=1", "nonsense"])
def test_malformed_options_are_refused(text: str):
    with pytest.raises(SpecError, match="isn't KEY=VALUE"):
        _options(text)


def test_families_are_listed_with_one_line():
    rows = [line for line in _invoke("list", "tasks").splitlines() if line.startswith("toy:")]
    assert len(rows) == 1
    assert rows[0].split("  ")[0] == "toy:..."


def test_runs_scores_shows_exports_and_tables(tmp_path: Path):
    out = str(tmp_path / "run")
    run = ["run", "--task", NAME, "--task", "toy:picture/a.b", "--model", "toy"]
    _invoke(*run, "--task-option", f"{NAME}.n=6", "--limit", "6", "--out", out)
    _invoke("score", out)
    assert "s0" in _invoke("show", out, "--task", NAME)
    with Ledger.open(out) as ledger:
        assert ledger.tasks() == [NAME, "toy:picture/a.b"]
        pictures = [entry.response.image_path for entry in ledger.entries("toy:picture/a.b")]
    assert all((tmp_path / "run" / path).is_file() for path in pictures)
    assert {Path(path).parts[0] for path in pictures} == {"images"}
    assert all(len(Path(path).parts) == 3 for path in pictures)
    lines = Path(_invoke("export", out).strip()).read_text().splitlines()
    assert {json.loads(line)["task"] for line in lines} == {NAME, "toy:picture/a.b"}


@pytest.mark.parametrize("format_", ["md", "csv", "json", "tex", "html"])
def test_tables_name_the_whole_task(tmp_path: Path, format_: str):
    out = str(tmp_path / "run")
    _invoke("run", "--task", NAME, "--model", "toy", "--limit", "4", "--out", out)
    table = _invoke("leaderboard", out, "--format", format_)
    if format_ == "csv":
        assert [row["task"] for row in csv.DictReader(io.StringIO(table))] == [NAME]
    else:
        assert NAME in table
