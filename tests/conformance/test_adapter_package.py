"""The package to copy: built and installed for real, listed, checked, and tested by its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "docs" / "adapter-package"


def run(*command: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a copy of the template is installed."""
    source = shutil.copytree(TEMPLATE, tmp_path_factory.mktemp("copy") / "package")
    target = tmp_path_factory.mktemp("site")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    done = run("pip", "install", "--quiet", *options, str(source), cwd=source)
    assert done.returncode == 0, done.stderr
    return target


def test_its_model_is_listed_and_shown(site: Path, tmp_path: Path):
    listed = run("harness.cli", "list", "models", cwd=tmp_path, path=site)
    assert "acme-colours" in listed.stdout, listed.stderr
    shown = run("harness.cli", "show", "model", "acme-colours", cwd=tmp_path, path=site)
    assert "fallback='none'" in shown.stdout, shown.stderr


def test_its_own_tests_pass_one_for_each_check(site: Path, tmp_path: Path):
    from harness.conformance import CHECKS

    tests = shutil.copytree(TEMPLATE / "tests", tmp_path / "tests")
    done = run("pytest", "-q", "-rA", "-p", "no:cacheprovider", str(tests), cwd=tmp_path, path=site)
    assert done.returncode == 0, done.stdout + done.stderr
    for check in CHECKS:
        assert f"PASSED tests/test_acme_colours.py::test_rules[{check.name}]" in done.stdout


BROKEN = """
import pytest
from acme_colours.adapter import AcmeColours

class Broken(AcmeColours):
    calls = 0

    def answer(self, requests):
        self.calls += 1
        return super().answer(requests)

    def fingerprint(self):
        self.calls += 1
        import msgspec
        return msgspec.structs.replace(super().fingerprint(), config={"calls": self.calls})

@pytest.fixture
def adapter():
    return Broken()

def test_rules(adapter_rule, adapter):
    adapter_rule(adapter)
"""


def test_a_broken_rule_fails_its_test_alone(site: Path, tmp_path: Path):
    (tmp_path / "test_broken.py").write_text(BROKEN)
    options = ["--adapter-nats", "0.5", "--adapter-steps", "2", "--adapter-levels", "3"]
    done = run("pytest", "-q", "-rA", "-p", "no:cacheprovider", *options, cwd=tmp_path, path=site)
    assert done.returncode == 1
    assert "FAILED test_broken.py::test_rules[contract]" in done.stdout
    assert "the fingerprint changes from call to call" in done.stdout
    assert done.stdout.count("FAILED test_broken.py") == 1
