"""A cache of its own for each test, and a task that declares data files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness.cli.main import main
from harness.data import Cache
from harness.records import DataFile
from harness.registry import tasks
from tests.data.toys import question, write_tsv
from tests.harness.toys import metadata as toy_metadata

Cheers = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's cache."""
    monkeypatch.setenv("CHEERS_BENCH_DATA", str(tmp_path / "default-cache"))


@pytest.fixture
def own_cache(_own_cache: None) -> Cache:
    """The default cache during a test."""
    return Cache()


@pytest.fixture
def toy_tsv(tmp_path: Path) -> Path:
    """A sound table of three rows."""
    return write_tsv(tmp_path / "Toy_DEV.tsv", [question(n) for n in range(3)])


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers a task that declares data files."""

    def register(name: str, *files: DataFile) -> None:
        class Toy:
            metadata = msgspec.structs.replace(toy_metadata(name), files=files)

        monkeypatch.setitem(tasks()._added, name, Toy)

    return register


@pytest.fixture
def toy_file(toy_tsv: Path) -> DataFile:
    """What a task says about the table."""
    return DataFile(
        name="Toy_DEV",
        file="Toy_DEV.tsv",
        md5=hashlib.md5(toy_tsv.read_bytes()).hexdigest(),
        licence="CC-BY-4.0",
        split="dev",
        size=toy_tsv.stat().st_size,
        origin="the toy shop",
    )


@pytest.fixture
def cheers(capsys: pytest.CaptureFixture[str]) -> Cheers:
    """Runs the command line in this process: exit code, output, error output."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call
