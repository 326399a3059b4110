"""How files get into the cache: fetched or imported, checked before they have their name."""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from harness.data.archives import hash_tree, unpack
from harness.data.cache import Cache, LockEntry
from harness.data.download import Patience, Progress, download
from harness.data.hashing import Sums, hash_file, sums
from harness.data.hub import HUB, fetch_from_hub
from harness.errors import BenchError, DataError
from harness.records import DataFile

__all__ = ["agrees", "demanded", "fetch_address", "import_file", "pull_file", "unpacked"]

_ADDRESSES = "_addresses"
_UNPACKED = "_unpacked"


def agrees(file: DataFile, found: Sums) -> bool:
    """Whether a file has all checksums that its record states; without any, nothing vouches."""
    stated = ((file.sha256, found.sha256), (file.md5, found.md5))
    pairs = [(said.lower(), have) for said, have in stated if said]
    return bool(pairs) and all(said == have for said, have in pairs)


def demanded(file: DataFile) -> str:
    """The checksums that a record states, in words."""
    stated = [("sha256", file.sha256), ("md5", file.md5)]
    return " and ".join(f"{kind} {value}" for kind, value in stated if value) or "no checksum"


def pull_file(
    file: DataFile,
    cache: Cache,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch a file that isn't in the cache; each of its addresses is asked in turn, once.

    Args:
        file: Which file.
        cache: Where it goes.
        progress: Told about bytes as they come.
        patience: Timeouts and attempts.

    Raises:
        DataError: No address gives the official file; the message has what each gave.
    """
    target = cache.path(file.name, file.file)
    failures: list[BenchError] = []
    with cache.locked(file.name):
        if target.exists():
            return target
        for url in file.urls:
            try:
                part = _fetched(url, target, file.size, progress, patience)
                _place(file, part, target, cache, url)
            except BenchError as error:
                failures.append(error)
            else:
                return target
    raise _unfetched(file, failures)


def fetch_address(url: str, cache: Cache, patience: Patience | None = None) -> Path:
    """A file of any `https://` address, kept in the cache under its address.

    It's fetched once; later calls need no network and check that the copy hasn't changed.

    Raises:
        DataError: It can't be fetched, or the copy has changed.
    """
    name = _address_name(url)
    with cache.locked(_ADDRESSES):
        target = cache.root / _ADDRESSES / name
        entry = cache.entry(_ADDRESSES, name)
        if entry is None or not target.exists():
            part = _fetched(url, target, None, None, patience)
            _name(part, target, cache, _entry(_ADDRESSES, name, sums(part), url))
        elif hash_file(target) != entry.sha256:
            raise DataError(
                f"{target} has changed: sha256 {hash_file(target)}, but data.lock recorded "
                f"{entry.sha256}, fetched from {url}",
                "delete it and run the command again",
            )
    return target


def import_file(
    file: DataFile, source: Path, cache: Cache, *, link: bool = False, accept: bool = False
) -> tuple[Path, str]:
    """Take a user's file into the cache.

    Args:
        file: Which file it's said to be.
        source: The user's file.
        cache: Where it goes.
        link: Link to it instead of copying it.
        accept: Take a file that isn't the official one, under the name `NAME-file`.

    Returns:
        Where it is and its name in the cache.

    Raises:
        DataError: It can't be read, isn't the official file and isn't accepted, or would replace
            another one.
    """
    source = source.expanduser().resolve()
    found = sums(source)
    name = file.name
    if (file.sha256 or file.md5) and not agrees(file, found):
        if not accept:
            raise _refused(file, source, found)
        name = f"{file.name}-file"
    target = cache.path(name, file.file)
    with cache.locked(name):
        _check_free(target, name, found, cache)
        part = target.with_name(f".{target.name}.part")
        _bring(source, part, link=link)
        _name(part, target, cache, _entry(name, file.file, found, str(source)))
    return target, name


def unpacked(archive: Path, cache: Cache) -> Path:
    """The folder with an archive's files: unpacked once, then checked against `data.lock`.

    Raises:
        DataError: It can't be unpacked, or the folder has changed.
    """
    sha256 = hash_file(archive)
    name = sha256[:20]
    folder = cache.root / _UNPACKED / name
    with cache.locked(_UNPACKED):
        entry = cache.entry(_UNPACKED, name)
        if entry is None or not folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            unpack(archive, folder)
            found = Sums(hash_tree(folder), "", _tree_size(folder))
            cache.record(_entry(_UNPACKED, name, found, archive.name))
        elif hash_tree(folder) != entry.sha256:
            raise DataError(
                f"{folder}, unpacked from {archive.name}, has changed",
                "delete the folder: it's unpacked again",
            )
    return folder


def _fetched(
    url: str,
    target: Path,
    size: int | None,
    progress: Progress | None,
    patience: Patience | None,
) -> Path:
    """The bytes of an address, beside their target and not yet under its name."""
    mark = hashlib.sha256(url.encode()).hexdigest()[:8]
    part = target.with_name(f".{target.name}.{mark}.part")
    if url.startswith(HUB):
        _bring(fetch_from_hub(url), part, link=False)
    else:
        download(url, part, size=size, progress=progress, patience=patience)
    return part


def _place(file: DataFile, part: Path, target: Path, cache: Cache, url: str) -> None:
    found = sums(part)
    if (file.sha256 or file.md5) and not agrees(file, found):
        part.unlink()
        raise DataError(
            f"{url} gives a file with sha256 {found.sha256} and md5 {found.md5}, but "
            f"{demanded(file)} is asked for",
            "the publisher has changed it",
        )
    _name(part, target, cache, _entry(file.name, file.file, found, url))


def _name(part: Path, target: Path, cache: Cache, entry: LockEntry) -> None:
    """Record a file and give it its name, in this order: a file with a name is a recorded one."""
    cache.record(entry)
    part.replace(target)


def _entry(name: str, file: str, found: Sums, source: str) -> LockEntry:
    return LockEntry(
        name=name,
        file=file,
        sha256=found.sha256,
        md5=found.md5,
        size=found.size,
        source=source,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _bring(source: Path, part: Path, *, link: bool) -> None:
    try:
        part.unlink(missing_ok=True)
        if link:
            part.symlink_to(source)
        else:
            shutil.copyfile(source, part)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise DataError(
            f"{source} can't be taken into the cache: {error.strerror}",
            "free some space, set CHEERS_BENCH_DATA to a larger disk, or use --link",
        ) from error


def _check_free(target: Path, name: str, found: Sums, cache: Cache) -> None:
    entry = cache.entry(name, target.name)
    if entry is not None and target.exists() and entry.sha256 != found.sha256:
        raise DataError(
            f"{target} is already there with sha256 {entry.sha256}, the new file has "
            f"{found.sha256}",
            "delete the old file first",
        )


def _address_name(url: str) -> str:
    mark = hashlib.sha256(url.encode()).hexdigest()[:12]
    base = re.sub(r"[^A-Za-z0-9._-]", "_", urlsplit(url).path.rpartition("/")[2])
    return f"{mark}-{base[-80:]}"


def _tree_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _unfetched(file: DataFile, failures: list[BenchError]) -> DataError:
    bring = f"get {file.file} ({file.origin}), then `cheers-bench data import {file.name} FILE`"
    if not failures:
        return DataError(f"{file.name}: there is no address for {file.file}", bring)
    reasons = "\n  ".join(failure.what for failure in failures)
    remedies = dict.fromkeys(failure.remedy for failure in failures)
    return DataError(
        f"{file.name}: {file.file} can't be fetched:\n  {reasons}",
        "; ".join([*remedies, f"or {bring}"]),
    )


def _refused(file: DataFile, source: Path, found: Sums) -> DataError:
    return DataError(
        f"{source} isn't the official file of {file.name}: it has sha256 {found.sha256} and md5 "
        f"{found.md5}, but {demanded(file)} is asked for",
        f"import the official file ({file.origin}), or add --accept: it's then {file.name}-file, "
        "another data set",
    )
