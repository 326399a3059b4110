"""Files get into the cache whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.data import Cache, find_data
from harness.data.download import Patience
from harness.data.store import fetch_address, import_file, pull_file
from harness.errors import DataError
from harness.records import DataFile
from tests.data.faulty_server import FaultyServer, cut, refusal, serving

CONTENT = b"index\tquestion\n1\tWhat?\n" * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(connect_s=5, read_s=10, attempts=3, pause_s=0.01, longest_s=0.05)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def data_file(*urls: str, **changes: object) -> DataFile:
    plain = DataFile(
        name="Toy_DEV",
        file="Toy_DEV.tsv",
        urls=urls,
        md5=hashlib.md5(CONTENT).hexdigest(),
        sha256=SHA256,
        licence="MIT",
        split="dev",
        origin="the toy shop",
    )
    return msgspec.structs.replace(plain, **changes)


def names(cache: Cache) -> list[str]:
    """Everything in the cache that isn't a lock."""
    found = (path.relative_to(cache.root).as_posix() for path in cache.root.rglob("*"))
    return sorted(name for name in found if not name.endswith(".lock") or name == "data.lock")


def test_a_pulled_file_is_checked_recorded_and_found_offline(server: FaultyServer, cache: Cache):
    file = data_file(server.url)
    server.faults = [cut(5000)]
    path = pull_file(file, cache, patience=QUICK)
    assert names(cache) == ["Toy_DEV", "Toy_DEV/Toy_DEV.tsv", "data.lock"]
    entry = cache.entry("Toy_DEV", "Toy_DEV.tsv")
    assert (entry.sha256, entry.size, entry.source) == (SHA256, len(CONTENT), server.url)
    server.faults = [refusal(500)] * 9
    found = find_data(file, cache=cache)
    assert (found.path, found.official, found.name) == (path, True, "Toy_DEV")
    assert pull_file(file, cache) == path
    assert len(server.requests) == 2


def test_a_wrong_checksum_leaves_nothing_and_names_both(server: FaultyServer, cache: Cache):
    file = data_file(server.url, md5="0" * 32, sha256=None)
    with pytest.raises(DataError) as error:
        pull_file(file, cache, patience=QUICK)
    assert f"md5 {'0' * 32}" in error.value.what
    assert SHA256 in error.value.what
    assert "the toy shop" in error.value.remedy
    assert len(server.requests) == 1
    assert names(cache) == ["Toy_DEV"]


def test_addresses_are_asked_in_turn(server: FaultyServer, cache: Cache):
    server.faults = [refusal(404)]
    pull_file(data_file(server.url, f"{server.url}?mirror"), cache, patience=QUICK)
    assert cache.entry("Toy_DEV", "Toy_DEV.tsv").source.endswith("?mirror")


def test_what_each_address_gave_is_said(server: FaultyServer, cache: Cache):
    server.faults = [refusal(404)]
    file = data_file(server.url, f"{server.url}?changed", sha256="1" * 64, md5=None)
    with pytest.raises(DataError, match=r"(?s)answers 404.*changed gives a file with sha256"):
        pull_file(file, cache, patience=QUICK)


def test_a_file_without_address_must_be_brought(cache: Cache):
    with pytest.raises(DataError, match="no address") as error:
        pull_file(data_file(), cache)
    assert "cheers-bench data import Toy_DEV FILE" in error.value.remedy


def test_a_file_without_checksum_is_pinned_but_not_official(server: FaultyServer, cache: Cache):
    file = data_file(server.url, md5=None, sha256=None)
    path = pull_file(file, cache, patience=QUICK)
    found = find_data(file, cache=cache)
    assert (found.official, found.name) == (False, "Toy_DEV-file")
    path.write_bytes(b"changed")
    with pytest.raises(DataError, match=f"has changed.*data.lock recorded {SHA256}"):
        find_data(file, cache=cache)


def test_a_hub_file_is_copied_into_the_cache(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "blob").write_bytes(CONTENT)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: str(tmp_path / "blob"))
    file = data_file("hf://datasets/o/n/Toy_DEV.tsv@abc")
    path = pull_file(file, cache)
    (tmp_path / "blob").unlink()
    assert path.read_bytes() == CONTENT
    assert find_data(file, cache=cache).official


def test_a_given_address_is_fetched_once_and_kept(server: FaultyServer, cache: Cache):
    file = data_file()
    found = find_data(file, server.url, cache)
    assert (found.official, found.name, found.sha256) == (True, "Toy_DEV", SHA256)
    assert find_data(file, server.url, cache) == found
    assert len(server.requests) == 1
    assert fetch_address(f"{server.url}?other", cache, QUICK) != found.path
    found.path.write_bytes(b"changed")
    with pytest.raises(DataError, match=f"has changed.*recorded {SHA256}, fetched from http"):
        find_data(file, server.url, cache)


def test_an_imported_file_is_a_copy_or_a_link(tmp_path: Path, cache: Cache):
    mine = tmp_path / "mine.tsv"
    mine.write_bytes(CONTENT)
    path, name = import_file(data_file(), mine, cache)
    assert (path.is_symlink(), name) == (False, "Toy_DEV")
    path, _ = import_file(data_file(), mine, cache, link=True)
    assert path.is_symlink()
    assert find_data(data_file(), cache=cache).official
    mine.write_bytes(b"changed")
    with pytest.raises(DataError, match="has changed"):
        find_data(data_file(), cache=cache)


def test_another_file_is_imported_under_another_name_only(tmp_path: Path, cache: Cache):
    mine = tmp_path / "mine.tsv"
    mine.write_bytes(b"other")
    with pytest.raises(DataError, match=f"but sha256 {SHA256} and md5") as error:
        import_file(data_file(), mine, cache)
    assert "--accept" in error.value.remedy
    assert not cache.root.exists()
    path, name = import_file(data_file(), mine, cache, accept=True)
    assert (name, path.parent.name) == ("Toy_DEV-file", "Toy_DEV-file")
    with pytest.raises(DataError, match="isn't in the data cache"):
        find_data(data_file(), cache=cache)
    found = find_data(data_file(), "Toy_DEV-file", cache)
    assert (found.path, found.name, found.official) == (path, "Toy_DEV-file", False)


def test_an_import_never_replaces_another_file(tmp_path: Path, cache: Cache):
    for name, content in (("one", b"one"), ("two", b"two")):
        (tmp_path / name).write_bytes(content)
    import_file(data_file(), tmp_path / "one", cache, accept=True)
    import_file(data_file(), tmp_path / "one", cache, accept=True)
    with pytest.raises(DataError, match="already there"):
        import_file(data_file(), tmp_path / "two", cache, accept=True)


def test_a_file_put_there_by_hand_is_checked(cache: Cache):
    path = cache.path("Toy_DEV", "Toy_DEV.tsv")
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert find_data(data_file(), cache=cache).official
    with pytest.raises(DataError, match="isn't the official file"):
        find_data(data_file(md5=None, sha256="0" * 64), cache=cache)
    with pytest.raises(DataError, match="but no checksum is asked for"):
        find_data(data_file(md5=None, sha256=None), cache=cache)


def test_a_given_folder_is_hashed_by_names_and_contents(tmp_path: Path, cache: Cache):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "metadata.jsonl").write_bytes(b"{}\n")
    first = find_data(data_file(), str(folder), cache)
    assert (first.official, first.name, first.path) == (False, "Toy_DEV-file", folder)
    (folder / "metadata.jsonl").rename(folder / "metadata.csv")
    assert find_data(data_file(), str(folder), cache).sha256 != first.sha256


def test_the_lock_is_sorted_json(tmp_path: Path, cache: Cache):
    mine = tmp_path / "mine.tsv"
    mine.write_bytes(CONTENT)
    for name in ("b", "a"):
        import_file(data_file(name=name), mine, cache)
    lock = json.loads((cache.root / "data.lock").read_text())
    assert list(lock["files"]) == ["a/Toy_DEV.tsv", "b/Toy_DEV.tsv"]
    assert list(lock["files"]["a/Toy_DEV.tsv"]) == sorted(lock["files"]["a/Toy_DEV.tsv"])


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 1, "files": {}, "more": 1}', b"\xff"])
def test_a_damaged_lock_is_named(cache: Cache, content: bytes):
    cache.root.mkdir()
    (cache.root / "data.lock").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.lock can't be read"):
        cache.entries()


def test_writers_in_several_processes_lose_nothing(tmp_path: Path):
    code = """
import sys
from pathlib import Path
from harness.data import Cache, LockEntry
for n in range(20):
    Cache(Path(sys.argv[1])).record(LockEntry(
        name=sys.argv[2], file=f"f{n}", sha256="0", md5="0", size=n, source="", time=""))
"""
    arguments = [[sys.executable, "-c", code, str(tmp_path), name] for name in ("a", "b", "c")]
    running = [subprocess.Popen(argument) for argument in arguments]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(Cache(tmp_path).entries()) == 60


def test_a_cache_that_cant_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="can't be written") as error:
        pull_file(data_file("https://example.org/x"), Cache(tmp_path / "file"))
    assert "CHEERS_BENCH_DATA" in error.value.remedy


def test_another_process_at_work_is_waited_for_in_vain(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harness.data.cache._PATIENCE_S", 0.05)
    with (
        cache.locked("Toy_DEV"),
        pytest.raises(DataError, match="another process has been writing"),
        Cache(cache.root).locked("Toy_DEV"),
    ):
        pass


def test_the_environment_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHEERS_BENCH_DATA", str(tmp_path))
    assert Cache().root == tmp_path
    monkeypatch.setenv("CHEERS_BENCH_DATA", "~/data")
    assert Cache().root == Path.home() / "data"
    monkeypatch.delenv("CHEERS_BENCH_DATA")
    assert Cache().root == Path.home() / ".cache" / "cheers-bench" / "data"
