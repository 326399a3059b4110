"""What docs/data.md says: its commands exist, its example runs, its lists are complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from harness.cli.data_command import command as data_command
from harness.data import Kind
from harness.data.audit import FileState
from tests.data.toys import question, write_tsv

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
COMMANDS = re.findall(r"^cheers-bench data (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse_down_to_their_options(line: str):
    name, *arguments = shlex.split(line, comments=True)
    found = data_command.get_command(click.Context(data_command), name)
    assert found is not None
    found.make_context(name, arguments).close()


def test_every_command_is_shown():
    assert {line.split()[0] for line in COMMANDS} == set(data_command.commands)


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    write_tsv(tmp_path / "MMBench_DEV_EN_V11.tsv", [question(n) for n in range(20)])
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code, names)
    assert len(names["images"]) == 1
    assert "What is in picture 19?" in capsys.readouterr().out


@pytest.mark.parametrize("word", [*Kind, *FileState])
def test_every_finding_and_state_is_explained(word: str):
    assert f"`{word}`" in PAGE
