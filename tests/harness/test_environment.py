"""Environment capture and hidden secrets."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.environment import _commit, capture, without_secret_values, without_secrets


def test_capture_names_what_scores_depend_on():
    found = capture()
    assert found.packages["msgspec"] == version("msgspec")
    assert found.cpu
    assert found.threads >= 1
    assert found.python.startswith("3.")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--hf-token", "abc"], ["--hf-token", "***"]),
        (["--token=abc"], ["--token=***"]),
        (["-a", "api_key=abc"], ["-a", "api_key=***"]),
        (["OPENAI_API_KEY=abc"], ["OPENAI_API_KEY=***"]),
        (["--judge-password", "x", "--limit", "3"], ["--judge-password", "***", "--limit", "3"]),
        (["--model", "hf_AbCdEfGhIjKl"], ["--model", "***"]),
        (["https://me:pw@host/x"], ["https://***@host/x"]),
        (["--a", "k=sk-abcdefghijkl"], ["--a", "k=***"]),
        (["--token", "--limit", "3"], ["--token", "--limit", "3"]),
        (["max_new_tokens=64", "--seed", "1"], ["max_new_tokens=64", "--seed", "1"]),
        (["--monkey", "x", "keyboard=1"], ["--monkey", "x", "keyboard=1"]),
    ],
)
def test_secrets_are_hidden_and_nothing_else(given: list[str], shown: list[str]):
    assert list(without_secrets(given)) == shown


def test_secret_arguments_are_hidden():
    given = {"path": "x", "api_key": "abc", "token": None, "steps": 4, "url": "http://u:p@h"}
    assert without_secret_values(given) == {
        "path": "x",
        "api_key": "***",
        "token": None,
        "steps": 4,
        "url": "http://***@h",
    }


def test_commit_of_a_source_tree(tmp_path: Path):
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert _commit(tmp_path) is None
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "x")
    head = git("rev-parse", "HEAD")
    assert _commit(tmp_path) == head
    (tmp_path / "a").write_text("2")
    assert _commit(tmp_path) == f"{head}+dirty"
