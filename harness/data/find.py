"""The file that a task asks for, and whether it's the official one."""

from __future__ import annotations

from pathlib import Path

from harness.data.cache import Cache, LockEntry
from harness.data.hashing import Sums, hash_file, sums
from harness.data.hub import locate
from harness.errors import DataError
from harness.records import DataFile, Record

__all__ = ["Found", "agrees", "demanded", "find_data"]


class Found(Record, frozen=True, kw_only=True):
    """A data file on disk."""

    path: Path
    """Where it is."""

    sha256: str
    """What its bytes are."""

    official: bool
    """Whether the checksums that the benchmark publishes agree."""

    name: str
    """The data set's name; `NAME-file` for a file that isn't the official one."""


def find_data(file: DataFile, given: str = "", cache: Cache | None = None) -> Found:
    """Find a data file; nothing is fetched unless `given` is an address.

    Args:
        file: Which file.
        given: A user's path, `hf://` or `https://` address; empty asks the cache.
        cache: The cache; `None` takes the default one.

    Raises:
        SpecError: The address is malformed.
        DataError: The file isn't there, can't be read or fetched, or a file of the cache isn't
            what its checksums or `data.lock` say.
    """
    cache = cache or Cache()
    if given:
        return _judged(file, locate(given, f"data file of {file.name}"))
    path = cache.path(file.name, file.file)
    if not path.is_file():
        raise _absent(file, cache)
    return _checked(file, path, cache)


def agrees(file: DataFile, found: Sums) -> bool:
    """Whether a file has all checksums that its record states; without any, nothing vouches."""
    stated = ((file.sha256, found.sha256), (file.md5, found.md5))
    pairs = [(said.lower(), have) for said, have in stated if said]
    return bool(pairs) and all(said == have for said, have in pairs)


def demanded(file: DataFile) -> str:
    """The checksums that a record states, in words."""
    stated = [("sha256", file.sha256), ("md5", file.md5)]
    return " and ".join(f"{kind} {value}" for kind, value in stated if value) or "no checksum"


def _judged(file: DataFile, path: Path) -> Found:
    found = sums(path)
    official = agrees(file, found)
    name = file.name if official else f"{file.name}-file"
    return Found(path=path, sha256=found.sha256, official=official, name=name)


def _checked(file: DataFile, path: Path, cache: Cache) -> Found:
    entry = cache.entry(file.name, file.file)
    if entry is None:
        return _unrecorded(file, path)
    found = hash_file(path)
    if found != entry.sha256:
        raise _changed(path, entry, found)
    known = Sums(entry.sha256, entry.md5, entry.size)
    if (file.sha256 or file.md5) and not agrees(file, known):
        raise _wrong(file, path, known)
    official = agrees(file, known)
    name = file.name if official else f"{file.name}-file"
    return Found(path=path, sha256=found, official=official, name=name)


def _unrecorded(file: DataFile, path: Path) -> Found:
    """A file that somebody put there by hand: good if its checksums are the official ones."""
    found = _judged(file, path)
    if not found.official:
        raise _wrong(file, path, sums(path))
    return found


def _absent(file: DataFile, cache: Cache) -> DataError:
    bring = f"cheers-bench data import {file.name} FILE` with {file.origin}"
    remedy = f"`{bring}" if not file.urls else f"`cheers-bench data pull {file.name}`, or `{bring}"
    return DataError(f"{file.name}: {file.file} isn't in the data cache {cache.root}", remedy)


def _changed(path: Path, entry: LockEntry, found: str) -> DataError:
    return DataError(
        f"{path} has changed: sha256 {found}, but data.lock recorded {entry.sha256}",
        f"delete it and bring it anew: `cheers-bench data pull {entry.name}` or "
        f"`cheers-bench data import {entry.name} FILE`",
    )


def _wrong(file: DataFile, path: Path, found: Sums) -> DataError:
    return DataError(
        f"{path} isn't the official file of {file.name}: it has sha256 {found.sha256} and md5 "
        f"{found.md5}, but {demanded(file)} is asked for",
        f"delete it and run `cheers-bench data pull {file.name}`; to evaluate on it all the same, "
        f"give it as a path: it's then {file.name}-file, another data set",
    )
