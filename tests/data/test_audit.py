"""Every file of the cache stands in exactly one state, with a reason."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.data import Cache
from harness.data.audit import FileState, audit_entry, audit_file
from harness.data.find import find_data
from harness.data.store import import_file
from harness.records import DataFile
from tests.data.toys import archive_file, write_zip


def test_absent_then_verified_then_bad(own_cache: Cache, toy_file: DataFile, toy_tsv: Path):
    audit = audit_file(toy_file, own_cache)
    assert (audit.state, audit.detail) == (FileState.ABSENT, "the toy shop")
    path, _ = import_file(toy_file, toy_tsv, own_cache)
    audit = audit_file(toy_file, own_cache)
    assert audit.state is FileState.VERIFIED
    assert audit.detail.startswith(f"from {toy_tsv}, 20")
    path.write_bytes(b"changed")
    audit = audit_file(toy_file, own_cache)
    assert audit.state is FileState.BAD
    assert "data.lock recorded" in audit.detail
    assert "remedy: " in audit.detail


def test_a_file_that_nobody_vouches_for_is_unvouched(
    own_cache: Cache, toy_file: DataFile, toy_tsv: Path
):
    bare = msgspec.structs.replace(toy_file, md5=None)
    import_file(bare, toy_tsv, own_cache)
    assert audit_file(bare, own_cache).state is FileState.UNVOUCHED


def test_a_file_put_there_by_hand(own_cache: Cache, toy_file: DataFile, toy_tsv: Path):
    path = own_cache.path("Toy_DEV", "Toy_DEV.tsv")
    path.parent.mkdir(parents=True)
    path.write_bytes(toy_tsv.read_bytes())
    audit = audit_file(toy_file, own_cache)
    assert (audit.state, audit.detail) == (FileState.VERIFIED, "put there by hand")
    path.write_bytes(b"other")
    assert audit_file(toy_file, own_cache).state is FileState.BAD


def test_a_link_that_leads_nowhere_is_absent(own_cache: Cache, toy_file: DataFile, toy_tsv: Path):
    import_file(toy_file, toy_tsv, own_cache, link=True)
    toy_tsv.unlink()
    assert audit_file(toy_file, own_cache).state is FileState.ABSENT


def test_what_no_task_declares_must_be_as_recorded(own_cache: Cache, tmp_path: Path):
    path = write_zip(tmp_path / "t.zip")
    folder = find_data(archive_file(path), str(path)).path
    (entry,) = own_cache.entries().values()
    assert entry.name == "_unpacked"
    assert audit_entry(entry, own_cache).state is FileState.UNVOUCHED
    (folder / "metadata.jsonl").write_bytes(b"{}")
    audit = audit_entry(entry, own_cache)
    assert audit.state is FileState.BAD
    assert "data.lock recorded" in audit.detail
    for file in folder.rglob("*.*"):
        file.unlink()
    (folder / "p").rmdir()
    folder.rmdir()
    assert audit_entry(entry, own_cache).state is FileState.ABSENT


@pytest.mark.parametrize("state", FileState)
def test_states_explain_themselves(state: FileState):
    assert state.value == state.name.lower()
