"""Hashes of files: read once per process while a file doesn't change."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from harness.errors import DataError

__all__ = ["Sums", "check_hash", "git_blob_hash", "hash_file", "sums"]

_CHUNK = 1 << 20


class Sums(NamedTuple):
    """What tells a file from any other."""

    sha256: str
    """64 hexadecimal digits."""

    md5: str
    """32 hexadecimal digits; many benchmarks publish nothing better."""

    size: int
    """Bytes."""


def hash_file(path: Path, what: str = "data file") -> str:
    """SHA-256 of a file; one that hasn't changed is read once per process.

    Args:
        path: The file.
        what: What the file is, for the message.

    Raises:
        DataError: It can't be read.
    """
    return _hashes(path, "sha256", what)[0]


def sums(path: Path) -> Sums:
    """SHA-256, MD5 and size of a file, in one pass over it.

    Raises:
        DataError: It can't be read.
    """
    sha256, md5 = _hashes(path, "sums")
    return Sums(sha256, md5, path.stat().st_size)


def git_blob_hash(path: Path) -> str:
    """The name that git gives a file's contents: SHA-1 over `blob SIZE`, a NUL and the bytes.

    Repositories publish it for every file, also where they publish no checksum.

    Raises:
        DataError: The file can't be read.
    """
    return _hashes(path, "git")[0]


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


def _hashes(path: Path, kind: str, what: str = "data file") -> tuple[str, ...]:
    try:
        state = path.stat()
        return _read(path, kind, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise DataError(
            f"{what} {path} can't be read: {error.strerror}", "check the path"
        ) from error


@lru_cache(maxsize=64)
def _read(path: Path, kind: str, size: int, _changed: int) -> tuple[str, ...]:
    digests = _digests(kind, size)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for digest in digests:
                digest.update(chunk)
    return tuple(digest.hexdigest() for digest in digests)


def _digests(kind: str, size: int) -> list[hashlib._Hash]:
    if kind == "git":
        return [hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)]
    if kind == "sums":
        return [hashlib.sha256(), hashlib.md5(usedforsecurity=False)]
    return [hashlib.sha256()]
