"""Which files are in the cache, and whether they still are what they were."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from harness.data.archives import hash_tree
from harness.data.cache import Cache, LockEntry
from harness.data.find import find_data
from harness.data.hashing import hash_file
from harness.errors import DataError
from harness.records import DataFile

__all__ = ["Audit", "FileState", "audit_entry", "audit_file"]


class FileState(StrEnum):
    """How a data file stands."""

    VERIFIED = "verified"
    """In the cache; the checksums that the benchmark publishes agree."""

    UNVOUCHED = "unvouched"
    """In the cache and unchanged since it came, but no published checksum says that it's right."""

    ABSENT = "absent"
    """Not in the cache."""

    BAD = "bad"
    """In the cache, but changed, unreadable or not the official file."""


class Audit(NamedTuple):
    """How one file stands."""

    name: str
    """Data set."""

    file: str
    """File."""

    state: FileState
    """How it stands."""

    detail: str
    """What is wrong and the remedy, or where it came from."""


def audit_file(file: DataFile, cache: Cache) -> Audit:
    """Read a declared file of the cache whole and compare it with what it must be."""
    if not cache.path(file.name, file.file).exists():
        return Audit(file.name, file.file, FileState.ABSENT, file.origin)
    try:
        found = find_data(file, cache=cache)
    except DataError as error:
        return Audit(file.name, file.file, FileState.BAD, str(error))
    state = FileState.VERIFIED if found.official else FileState.UNVOUCHED
    return Audit(file.name, file.file, state, _source(cache.entry(file.name, file.file)))


def audit_entry(entry: LockEntry, cache: Cache) -> Audit:
    """The same for a file that no task declares: it must be what `data.lock` recorded."""
    path = cache.root / entry.name / entry.file
    if not path.exists():
        return Audit(entry.name, entry.file, FileState.ABSENT, _source(entry))
    found = hash_tree(path) if path.is_dir() else hash_file(path)
    if found == entry.sha256:
        return Audit(entry.name, entry.file, FileState.UNVOUCHED, _source(entry))
    detail = f"sha256 {found}, but data.lock recorded {entry.sha256}: delete {path}"
    return Audit(entry.name, entry.file, FileState.BAD, detail)


def _source(entry: LockEntry | None) -> str:
    return "put there by hand" if entry is None else f"from {entry.source}, {entry.time[:10]}"
