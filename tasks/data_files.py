"""Data files that aren't part of this package: found on disk or on the hub, and told apart."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from harness.errors import DataError, SpecError

__all__ = ["check_hash", "git_blob_hash", "hash_file", "locate", "read_digest"]

_CHUNK = 1 << 20
_HUB = "hf://"


def locate(location: str, what: str = "data file") -> Path:
    """The local file of a path, or of a file on the Hugging Face hub, fetched if need be.

    Args:
        location: Path, or `hf://datasets/OWNER/NAME/FILE`, optionally with `@REVISION`.
        what: What the file is, for the message.

    Raises:
        SpecError: The address is malformed.
        DataError: The file isn't there or can't be fetched.
    """
    if location.startswith(_HUB):
        return _fetched(location)
    path = Path(location).expanduser()
    if not path.is_file():
        raise DataError(f"there is no {what} {location}", "check the path")
    return path


def hash_file(path: Path) -> str:
    """SHA-256 of a file; one that hasn't changed is read once per process.

    Raises:
        DataError: It can't be read.
    """
    return _hash(path, "sha256")


def git_blob_hash(path: Path) -> str:
    """The name that git gives a file's contents: SHA-1 over `blob SIZE`, a NUL and the bytes.

    Repositories publish it for every file, also where they publish no checksum.

    Raises:
        DataError: The file can't be read.
    """
    return _hash(path, "git")


def check_hash(path: Path, expected: str, what: str) -> None:
    """Check that a file has the SHA-256 that the user demands.

    Args:
        path: The file.
        expected: 64 hexadecimal digits; empty demands nothing.
        what: What the file is, for the message.

    Raises:
        DataError: It has another one, or can't be read.
    """
    found = hash_file(path)
    if expected and found != expected.lower():
        raise DataError(
            f"{what} {path} has sha256 {found}, but {expected} is asked for",
            "give that file, bytes unchanged, or ask for this one's sha256",
        )


def read_digest(path: Path, kind: str = "sha256") -> str:
    """Hash of a file's contents; one that hasn't changed is read once per process.

    Args:
        path: The file.
        kind: `sha256`, or `git` for the name of the blob.

    Raises:
        OSError: It can't be read.
    """
    state = path.stat()
    return _read(path, kind, state.st_size, state.st_mtime_ns)


def _hash(path: Path, kind: str) -> str:
    try:
        return read_digest(path, kind)
    except OSError as error:
        raise DataError(
            f"data file {path} can't be read: {error.strerror}", "check the path"
        ) from error


@lru_cache(maxsize=64)
def _read(path: Path, kind: str, size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    if kind == "git":
        digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _fetched(location: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    address, _, revision = location.removeprefix(_HUB).partition("@")
    kind, *rest = address.split("/")
    if kind != "datasets" or len(rest) < 3:
        raise SpecError(
            f"{location!r} is no file on the hub", "write hf://datasets/OWNER/NAME/FILE@REVISION"
        )
    repo, file = "/".join(rest[:2]), "/".join(rest[2:])
    try:
        found = hf_hub_download(repo, file, repo_type="dataset", revision=revision or None)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise DataError(
            f"{location} can't be fetched: {error}", "check the address, or give a local file"
        ) from error
    return Path(found)
