"""The file that a task asks for, and whether it's the official one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.data.archives import hash_tree, is_archive
from harness.data.cache import Cache, LockEntry
from harness.data.hashing import Sums, hash_file, sums
from harness.data.hub import locate
from harness.data.hubtable import hash_split, is_hub_table
from harness.data.store import agrees, demanded, fetch_address, unpacked
from harness.errors import DataError
from harness.records import DataFile, Record

__all__ = ["Found", "find_data"]


class Found(Record, frozen=True, kw_only=True):
    """A data file on disk."""

    path: Path
    """Where it is; for an archive, the folder with what it holds. A split of the hub has none."""

    sha256: str
    """Hash of the file; of a folder that a user gave, over names and contents; of a split of the
    hub, over its rows."""

    official: bool
    """Whether the checksums that the benchmark publishes agree."""

    name: str
    """The data set's name; `NAME-file` for a file that isn't the official one."""

    address: str = ""
    """Address of a split of the hub; empty for files."""

    @property
    def location(self) -> str:
        """What `open_table` takes."""
        return self.address or str(self.path)


def find_data(file: DataFile, given: str = "", cache: Cache | None = None) -> Found:
    """Find a data file and say whether it's the official one.

    Nothing is fetched unless `given` is an address. An archive is unpacked.

    Args:
        file: Which file.
        given: What the user wants instead of the official file in the cache: a path, an `hf://` or
            `https://` address of a file, `hf://datasets/OWNER/NAME@REVISION?split=SPLIT`, or the
            name of a file that was imported with `--accept`.
        cache: The cache; `None` takes the default one.

    Raises:
        SpecError: The address is malformed.
        DataError: The file isn't there, can't be read or fetched, or a file of the cache isn't
            what its checksums or `data.lock` say.
    """
    cache = cache or Cache()
    found = _given(file, given, cache) if given else _cached(file, cache)
    if not found.address and is_archive(found.path):
        return msgspec.structs.replace(found, path=unpacked(found.path, cache))
    return found


def _given(file: DataFile, given: str, cache: Cache) -> Found:
    other = f"{file.name}-file"
    if given == other:
        accepted = msgspec.structs.replace(file, name=other, md5=None, sha256=None)
        return _cached(accepted, cache)
    if is_hub_table(given):
        found = hash_split(given)
        return Found(path=Path(), sha256=found, official=False, name=other, address=given)
    if given.startswith(("https://", "http://")):
        return _found(file, fetch_address(given, cache))
    folder = Path(given).expanduser()
    if folder.is_dir():
        return Found(path=folder, sha256=hash_tree(folder), official=False, name=other)
    return _found(file, locate(given, f"data file of {file.name}"))


def _found(file: DataFile, path: Path, found: Sums | None = None) -> Found:
    found = found or sums(path)
    official = agrees(file, found)
    name = file.name if official else f"{file.name.removesuffix('-file')}-file"
    return Found(path=path, sha256=found.sha256, official=official, name=name)


def _cached(file: DataFile, cache: Cache) -> Found:
    path = cache.path(file.name, file.file)
    if not path.is_file():
        raise _absent(file, cache)
    entry = cache.entry(file.name, file.file)
    known = sums(path) if entry is None else _recorded(path, entry)
    unknown = entry is None and not agrees(file, known)
    if unknown or ((file.sha256 or file.md5) and not agrees(file, known)):
        raise _wrong(file, path, known)
    return _found(file, path, known)


def _recorded(path: Path, entry: LockEntry) -> Sums:
    found = hash_file(path)
    if found != entry.sha256:
        raise DataError(
            f"{path} has changed: sha256 {found}, but data.lock recorded {entry.sha256}",
            f"delete it and bring it anew: `cheers-bench data pull {entry.name}` or "
            f"`cheers-bench data import {entry.name} FILE`",
        )
    return Sums(entry.sha256, entry.md5, entry.size)


def _absent(file: DataFile, cache: Cache) -> DataError:
    bring = f"`cheers-bench data import {file.name} FILE` with {file.origin}"
    remedy = f"`cheers-bench data pull {file.name}`, or {bring}" if file.urls else bring
    return DataError(f"{file.name}: {file.file} isn't in the data cache {cache.root}", remedy)


def _wrong(file: DataFile, path: Path, found: Sums) -> DataError:
    return DataError(
        f"{path} isn't the official file of {file.name}: it has sha256 {found.sha256} and md5 "
        f"{found.md5}, but {demanded(file)} is asked for",
        f"delete it and run `cheers-bench data pull {file.name}`; to evaluate on it all the same, "
        f"give it as a path: it's then {file.name}-file, another data set",
    )
