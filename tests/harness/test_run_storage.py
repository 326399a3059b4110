"""Full disks and unwritable folders: a clear error, nothing corrupted, and the run continues."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.errors import LedgerError
from harness.ledger import Ledger, LedgerWriter, faults, read_manifest
from harness.records import RunStatus
from tests.harness.conftest import Run
from tests.harness.test_run_invariance import ALL, content


def is_sound(folder: Path) -> bool:
    connection = sqlite3.connect(folder / "ledger.sqlite")
    verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return verdict == "ok"


class FullDisk:
    """A disk that takes some writes of pictures, then none."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.replace = Path.replace

    def __call__(self, source: Path, target: Path) -> Path:
        self.room -= target.suffix == ".png"
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return self.replace(source, target)


@pytest.mark.parametrize("room", [0, 1, 17, 39])
def test_a_disk_full_of_pictures(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
):
    run("toy-pictures", out="whole")
    disk = FullDisk(room)
    with monkeypatch.context() as full:
        full.setattr(Path, "replace", lambda *paths: disk(*paths))  # noqa: PLW0108 -- a method
        with pytest.raises(LedgerError, match=r"no space left to write .*png(.|\n)*free some"):
            run("toy-pictures")
    folder = tmp_path / "run"
    assert is_sound(folder)
    with Ledger.open(folder) as ledger:
        assert ledger.counts("toy-pictures").answered <= room
    assert not list(folder.rglob("*.tmp"))
    run("toy-pictures")
    assert content(folder) == content(tmp_path / "whole")


@pytest.mark.parametrize("pages", [12, 15, 18, 21])
def test_a_disk_full_of_rows(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: int):
    """SQLite's own limit on the database's size gives the same error as a full disk."""
    run(*ALL, out="whole")
    make = LedgerWriter.__init__

    def small(self: LedgerWriter, folder: Path, connection: Any, lock: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")
        make(self, folder, connection, lock)

    with monkeypatch.context() as full:
        full.setattr(LedgerWriter, "__init__", small)
        with pytest.raises(LedgerError, match=r"no space left to write .*sqlite(.|\n)*free some"):
            run(*ALL)
    folder = tmp_path / "run"
    assert is_sound(folder)
    assert read_manifest(folder).status is RunStatus.FAILED
    assert run(*ALL).status is RunStatus.COMPLETE
    assert content(folder) == content(tmp_path / "whole")


LIMITED = """
    import resource, sys
    from harness.errors import LedgerError
    from harness.registry import models, tasks
    from harness.run import execute
    from harness.runspec import ModelRef, RunSpec, TaskRef
    from tests.harness import toys

    out, limit = sys.argv[1], int(sys.argv[2])
    tasks().add("toy-answers", toys.ToyTask)
    models().add("toy", toys.ToyModel)
    spec = RunSpec(
        tasks=(TaskRef(task="toy-answers", options={"n": 3000}),),
        model=ModelRef(name="toy"),
        out=out,
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        execute(spec)
    except LedgerError as error:
        print(error)
        raise SystemExit(3)
"""


@pytest.mark.parametrize("kib", [4, 40, 200, 600])
def test_a_file_size_limit_of_the_system(tmp_path: Path, kib: int):
    """The kernel refuses the write, wherever it happens to be."""
    out = tmp_path / "run"

    def go(limit: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(LIMITED), str(out), str(limit)],
            capture_output=True,
            text=True,
            check=False,
        )

    refused = go(kib * 1024)
    assert refused.returncode == 3, refused.stderr
    assert "remedy: " in refused.stdout
    assert "sqlite" in refused.stdout or "manifest" in refused.stdout
    allowed = go(1 << 30)
    assert allowed.returncode == 0, allowed.stderr
    assert is_sound(out)
    with Ledger.open(out) as ledger:
        assert ledger.counts("toy-answers") == (3000, 3000, 3000, 3000)


def test_a_folder_that_cannot_be_made_or_written(run: Run, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerError, match=r"file(.|\n)*--out"):
        run(out="file")
    with pytest.raises(LedgerError, match=r"file(.|\n)*--out"):
        run(out="file/run")
    (tmp_path / "run" / "ledger.sqlite").mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite can't be opened"):
        run()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x can't be written"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "/x can't be written"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/x"), "no space left to write /x"),
        (OSError(errno.EIO, "Input/output error", "/x"), "/x: Input/output error"),
    ],
)
def test_system_errors_are_explained(error: OSError, message: str):
    with pytest.raises(LedgerError, match=rf"{message}(.|\n)*remedy"), faults.explained(Path()):
        raise error


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SQLITE_FULL", "no space left"),
        ("SQLITE_IOERR_WRITE", "the disk refused"),
        ("SQLITE_READONLY_DIRECTORY", "can't be opened or written"),
        ("SQLITE_BUSY", "in use by another process"),
        ("SQLITE_CORRUPT", "is damaged"),
        ("SQLITE_NOTADB", "is damaged"),
    ],
)
def test_database_errors_are_explained(name: str, message: str):
    error = sqlite3.OperationalError("x")
    error.sqlite_errorname = name
    with pytest.raises(LedgerError, match=rf"{message}(.|\n)*remedy"), faults.explained(Path()):
        raise error


def test_a_read_only_folder_is_refused_with_a_remedy(run: Run, tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o555)
    with pytest.raises(LedgerError, match="can't be written"):
        run()
    tmp_path.chmod(0o755)
