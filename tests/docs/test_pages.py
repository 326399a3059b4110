"""The documentation: links lead somewhere, commands exist, the README's model really runs."""

import re
import shlex
from pathlib import Path

import click
import pytest

from harness.cli.main import cli, main
from harness.registry import models, suites, tasks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
BLOCK = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


def _commands(page: Path) -> list[str]:
    lines = "\n".join(BLOCK.findall(page.read_text())).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("cheers-bench ")]


EXAMPLES = ("oddness", "colours")
COMMANDS = sorted({command for page in PAGES for command in _commands(page)})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path):
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_speak_of_the_project_alone(page: Path):
    assert not re.search(r"/work/|/tmp/|issue #?\d", page.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command: str):
    arguments = shlex.split(command, comments=True)[1:]
    if arguments[0].startswith("-"):
        return
    found = cli.get_command(click.Context(cli), arguments[0])
    assert found is not None
    with found.make_context(arguments[0], arguments[1:]) as context:
        _check_names(context.params)


def _check_names(params: dict[str, object]) -> None:
    if params.get("suite"):
        assert params["suite"] in suites()
    for task in params.get("tasks") or ():
        assert task in tasks() or task in EXAMPLES
    name = str(params.get("model") or "null").partition(":")[0]
    assert name in models() or name.endswith(".py")


def test_make_verbs_in_code_exist():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in PAGES)
    code = "\n".join(BLOCK.findall(text)) + "\n".join(re.findall(r"`(make [a-z-]+)", text))
    verbs = set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE))
    assert {"demo", "test"} <= verbs <= known


def test_the_run_file_in_the_documentation_is_one(tmp_path: Path):
    from harness.runfile import make_spec, read_run_file
    from harness.runspec import resolve

    text = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "cli.md").read_text(), re.DOTALL)[1]
    (tmp_path / "run.yaml").write_text(text)
    spec = make_spec(read_run_file(tmp_path / "run.yaml"), {})
    for entry in resolve(spec):
        tasks().get(entry.task)(entry.options)
    assert spec.model.label == "nano, CFG 3"


def test_the_readmes_own_model_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    (tmp_path / "my_model.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "--task", "shapes-mmbench", "--limit", "8"]
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--model", "./my_model.py:MyModel", "--out", "runs/mine"])
    assert not caught.value.code
    assert (tmp_path / "runs" / "mine" / "manifest.json").exists()
