"""Data files are told apart: official, another one, changed, absent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.data import Cache, LockEntry, find_data
from harness.errors import DataError, SpecError
from harness.records import DataFile

BYTES = b"index\tquestion\n1\tWhat?\n"
MD5 = hashlib.md5(BYTES).hexdigest()
SHA256 = hashlib.sha256(BYTES).hexdigest()
FILE = DataFile(
    name="Toy_DEV", file="Toy_DEV.tsv", md5=MD5, licence="MIT", split="dev", origin="the toy shop"
)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def put(cache: Cache, data: bytes, file: DataFile = FILE, *, recorded: bytes | None = None) -> Path:
    path = cache.path(file.name, file.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if recorded is not None:
        cache.record(
            LockEntry(
                name=file.name,
                file=file.file,
                sha256=hashlib.sha256(recorded).hexdigest(),
                md5=hashlib.md5(recorded).hexdigest(),
                size=len(recorded),
                source="here",
                time="2026-01-01T00:00:00Z",
            )
        )
    return path


def test_a_given_official_file_has_the_official_name(tmp_path: Path, cache: Cache):
    (tmp_path / "mine.tsv").write_bytes(BYTES)
    found = find_data(FILE, str(tmp_path / "mine.tsv"), cache)
    assert (found.official, found.name, found.sha256) == (True, "Toy_DEV", SHA256)


def test_another_given_file_is_another_data_set(tmp_path: Path, cache: Cache):
    (tmp_path / "mine.tsv").write_bytes(BYTES + b"\n")
    found = find_data(FILE, str(tmp_path / "mine.tsv"), cache)
    assert (found.official, found.name) == (False, "Toy_DEV-file")


def test_an_absent_file_has_a_remedy(cache: Cache):
    with pytest.raises(DataError, match=r"Toy_DEV\.tsv isn't in the data cache") as error:
        find_data(FILE, cache=cache)
    assert error.value.remedy == "`cheers-bench data import Toy_DEV FILE` with the toy shop"


def test_a_cached_file_is_found(cache: Cache):
    path = put(cache, BYTES, recorded=BYTES)
    found = find_data(FILE, cache=cache)
    assert (found.path, found.official) == (path, True)


def test_a_cached_file_that_changed_is_refused_with_both_values(cache: Cache):
    changed = BYTES + b"2\tWho?\n"
    put(cache, changed, recorded=BYTES)
    with pytest.raises(DataError, match="has changed") as error:
        find_data(FILE, cache=cache)
    assert SHA256 in str(error.value)
    assert hashlib.sha256(changed).hexdigest() in str(error.value)


def test_a_cached_file_with_a_wrong_checksum_is_refused(cache: Cache):
    put(cache, b"other", recorded=b"other")
    with pytest.raises(DataError, match=f"isn't the official file .* but md5 {MD5} is asked for"):
        find_data(FILE, cache=cache)


@pytest.mark.parametrize("name", ["..", "a/b", "", "/etc", ".hidden", "a\n"])
def test_names_stay_in_the_cache(cache: Cache, name: str):
    with pytest.raises(SpecError, match="can't be a name"):
        cache.path(name, "x.tsv")
