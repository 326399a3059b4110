"""The doctor names what is missing and how to get it."""

from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path

import pytest

from harness import doctor
from harness.doctor import State, examine
from harness.registry import tasks


def _by_subject(folder: Path = Path()) -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in examine(folder)}


def test_a_machine_that_runs_the_tests_is_sound():
    assert not [finding for finding in examine() if finding.is_problem]


def test_registries_packages_and_disk_are_looked_at(tmp_path: Path):
    findings = _by_subject(tmp_path)
    assert {"python", "torch", "disk", "tasks", "models", "suites", "extra ocr"} <= set(findings)
    assert str(tmp_path) in findings["disk"].detail


def test_a_missing_package_is_a_problem_with_a_command(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", version)
    finding = _by_subject()["torch"]
    assert finding.is_problem
    assert "pip install" in finding.detail


def test_a_missing_extra_is_optional_with_a_command(monkeypatch: pytest.MonkeyPatch):
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "ray" else real(name))
    finding = _by_subject()["extra ray"]
    assert finding.state is State.OPTIONAL
    assert "cheers-bench[ray]" in finding.detail


def test_a_broken_plug_in_is_named(monkeypatch: pytest.MonkeyPatch):
    entry = EntryPoint("broken", "no_such_module_at_all:Task", "cheers_bench.tasks")
    monkeypatch.setitem(tasks()._found(), "broken", entry)
    finding = _by_subject()["task broken"]
    assert finding.is_problem
    assert "no_such_module_at_all" in finding.detail


def test_little_disk_space_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    class Usage:
        free = 1e9

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage())
    assert _by_subject()["disk"].state is State.WARNING
