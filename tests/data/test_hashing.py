"""Data files on disk and on the hub: found, told apart, never taken for another."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from harness.data.hashing import check_hash, git_blob_hash, hash_file
from harness.data.hub import locate
from harness.errors import DataError, SpecError


def test_hashes_are_those_of_sha256sum_and_git(tmp_path: Path):
    path = tmp_path / "data"
    path.write_bytes(b"what is up, doc?")  # the example of the book Pro Git
    assert hash_file(path) == hashlib.sha256(b"what is up, doc?").hexdigest()
    assert git_blob_hash(path) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_a_changed_file_is_read_again(tmp_path: Path):
    path = tmp_path / "data"
    path.write_bytes(b"one")
    first = hash_file(path)
    path.write_bytes(b"other")
    assert hash_file(path) != first


def test_a_mismatch_names_both_values(tmp_path: Path):
    path = tmp_path / "data"
    path.write_bytes(b"one")
    found = hash_file(path)
    check_hash(path, "", "the file")
    check_hash(path, found.upper(), "the file")
    with pytest.raises(DataError, match=f"the file .*data has sha256 {found}, but {'0' * 64} is"):
        check_hash(path, "0" * 64, "the file")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"no data file .*none"):
        locate(str(tmp_path / "none"))
    with pytest.raises(DataError, match="none can't be read"):
        hash_file(tmp_path / "none")


@pytest.mark.parametrize("address", ["hf://a/b/c", "hf://datasets/a/b", "hf://"])
def test_malformed_addresses_are_refused(address: str):
    with pytest.raises(SpecError, match="no file on the hub"):
        locate(address)


def test_a_file_of_the_hub_is_fetched_at_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[Any, ...]] = []

    def download(repo: str, file: str, *, repo_type: str, revision: str | None) -> str:
        asked.append((repo, file, repo_type, revision))
        if revision == "gone":
            raise LocalEntryNotFoundError("no network")
        return str(tmp_path / "fetched")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert locate("hf://datasets/o/n/sub/f.csv@abc") == tmp_path / "fetched"
    assert asked == [("o/n", "sub/f.csv", "dataset", "abc")]
    with pytest.raises(DataError, match="can't be fetched: no network"):
        locate("hf://datasets/o/n/f.csv@gone")
