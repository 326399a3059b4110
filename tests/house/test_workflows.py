"""Workflows: pinned, with few rights, with commands that exist; linted where possible."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from harness.cli.main import cli
from harness.gate import read_policy

ROOT = Path(__file__).parents[2]
WORKFLOWS = [ROOT / ".github" / "workflows" / "cpu.yml", ROOT / "docs" / "ci" / "gpu.yml"]
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def workflow(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def _steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def test_actions_are_pinned_by_hash(path: Path):
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    assert [one for one in uses if not PINNED.fullmatch(one)] == []


def test_rights_are_given_job_by_job(workflow: dict[Any, Any]):
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"]
    for step in _steps(workflow):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_no_input_becomes_part_of_a_script(workflow: dict[Any, Any]):
    assert [step for step in _steps(workflow) if "${{" in step.get("run", "")] == []


def test_pull_requests_never_reach_a_runner_of_ones_own(workflow: dict[Any, Any]):
    own = any("self-hosted" in job["runs-on"] for job in workflow["jobs"].values())
    triggers = workflow[True]  # YAML reads `on` as true
    assert not own or set(triggers) == {"workflow_dispatch"}


def _commands(workflow: dict[Any, Any]) -> Iterator[list[str]]:
    for step in _steps(workflow):
        for line in step.get("run", "").replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].endswith("cheers-bench"):
                yield words[1:]


def test_commands_parse(workflow: dict[Any, Any]):
    commands = list(_commands(workflow))
    assert {words[0] for words in commands} >= {"run", "gate"}
    for words in commands:
        found = cli.get_command(click.Context(cli), words[0])
        assert found is not None
        with found.make_context(words[0], words[1:]) as context:
            _check_files(context.params)


def _check_files(params: dict[str, Any]) -> None:
    """Files that a command of our own workflow reads are in the repository."""
    policy, baseline = params.get("policy_file"), str(params.get("baseline") or "")
    if policy is not None and policy.parent != Path():
        read_policy(ROOT / policy)
    if baseline.startswith("results/"):
        assert (ROOT / f"{baseline}.jsonl").is_file()


def test_make_verbs_exist(workflow: dict[Any, Any]):
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [step.get("run", "") for step in _steps(workflow)]
    assert {run.removeprefix("make ") for run in runs if run.startswith("make ")} <= known


def _gpu() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(WORKFLOWS[1].read_text())
    return found


def _folder_of(tmp_path: Path, checkpoint: str, run_id: str = "1") -> str:
    """Where gpu.yml's step puts a run: what it hands to later steps, and to cheers-bench."""
    (step,) = [
        step
        for step in _steps(yaml.safe_load(WORKFLOWS[1].read_text()))
        if "sha256sum" in str(step)
    ]
    tool = tmp_path / ".venv" / "bin" / "cheers-bench"
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > arguments\n')
    tool.chmod(0o755)
    (tmp_path / "env").write_text("")
    given = {"CHECKPOINT": checkpoint, "SUITE": "shapes", "HOME": str(tmp_path)}
    given |= {"GITHUB_SHA": "abc", "GITHUB_RUN_ID": run_id, "GITHUB_ENV": str(tmp_path / "env")}
    subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=os.environ | given, check=True
    )
    folder = (tmp_path / "env").read_text().removeprefix("RUN=").strip()
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[-2:] == ["--out", folder]
    assert f"path={checkpoint}" in arguments
    return folder


def test_two_checkpoints_at_one_commit_have_two_folders(tmp_path: Path):
    one, other = (_folder_of(tmp_path, name) for name in ("/data/my model", "/data/another"))
    assert one != other
    assert _folder_of(tmp_path, "/data/my model") == one, "an attempt continues the one before"
    assert _folder_of(tmp_path, "/data/my model", run_id="2") != one
    assert one.startswith(f"{tmp_path}/cheers-bench/shapes-abc-")


def test_the_gpu_workflow_keeps_a_page():
    (upload,) = [step for step in _steps(_gpu()) if "upload-artifact" in step.get("uses", "")]
    assert "report.html" in upload["with"]["path"]
    assert any(
        words[0] == "report" for words in _commands(yaml.safe_load(WORKFLOWS[1].read_text()))
    )


def test_make_gate_starts_from_nothing():
    """A finished run is reused whatever the code is, so an old one would keep the gate green."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make isn't installed")
    done = subprocess.run(
        [make, "--dry-run", "--assume-old=.venv/.installed", "gate"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if "runs/gate" in line]
    assert lines[0].startswith("rm -rf runs/gate")
    assert "cheers-bench run" in lines[1]


def _tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} isn't installed: pip install {name}")
    return found


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("zizmor", ["--offline", "--no-progress"]),
        ("check-jsonschema", ["--builtin-schema", "vendor.github-workflows"]),
    ],
)
def test_linters_find_nothing(path: Path, tool: str, arguments: list[str]):
    command = [_tool(tool), *arguments, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
