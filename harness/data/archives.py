"""Archives unpacked so that nothing lands outside their folder."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from harness.errors import DataError

__all__ = ["MAX_UNPACKED", "hash_tree", "is_archive", "unpack"]

MAX_UNPACKED = 1 << 36
"""Bytes that an archive may hold: 64 GiB."""

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_CHUNK = 1 << 20


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its name.

    Example:
        >>> [is_archive(Path(name)) for name in ("a.zip", "a.tar.gz", "a.tsv")]
        [True, True, False]
    """
    return path.name.lower().endswith(_ZIP + _TAR)


def unpack(archive: Path, folder: Path, limit: int = MAX_UNPACKED) -> None:
    """Unpack a zip or tar file into a new folder, all of it or nothing.

    Args:
        archive: The file.
        folder: New folder, beside which there is room for a temporary one.
        limit: Bytes that may come out; what is counted is what comes, not what the archive says.

    Raises:
        DataError: It's damaged, too large, encrypted, holds a link or a device, one name twice, or
            a path that leads out of the folder.
    """
    temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        with _damage(archive):
            left = limit
            for name, file in _members(archive):
                left -= _write(archive, temporary, name, file, left)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def hash_tree(folder: Path) -> str:
    """SHA-256 over the hashes and names of all files of a folder, in the order of their paths.

    A folder that hasn't changed is read once per process.

    Raises:
        DataError: A file can't be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    try:
        states = ((path, path.stat()) for path in files)
        return _tree(folder, tuple((p, s.st_size, s.st_mtime_ns) for p, s in states))
    except OSError as error:
        raise DataError(
            f"folder {folder} can't be read: {error}", "check its files' permissions"
        ) from error


@lru_cache(maxsize=8)
def _tree(folder: Path, states: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, _, _ in states:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(folder).as_posix()
        total.update(f"{found}  {name}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the files; folders come with them."""
    return _of_zip(archive) if archive.name.lower().endswith(_ZIP) else _of_tar(archive)


def _of_zip(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if (member.external_attr >> 28) == 0xA:
                raise _refused(archive, member.filename, "is a link")
            if not member.is_dir():
                with opened.open(member) as file:
                    yield member.filename, file


def _of_tar(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if member.isdir():
                continue
            file = opened.extractfile(member) if member.isreg() else None
            if file is None:
                raise _refused(archive, member.name, "is a link or a device")
            yield member.name, file
        while opened.fileobj is not None and opened.fileobj.read(_CHUNK):
            pass  # to the end, where a compressed file has its checksum


def _write(archive: Path, folder: Path, name: str, file: IO[bytes], left: int) -> int:
    target = folder.joinpath(*_parts(archive, name))
    written = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while chunk := file.read(_CHUNK):
                written += len(chunk)
                if written > left:
                    raise _refused(archive, name, "is more than may be unpacked")
                out.write(chunk)
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(archive, name, "is there twice") from error
    return written


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """Parts of a path that stays inside; back slashes and drives count as ways out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or set(name) & set("\\:\0"):
        raise _refused(archive, name, "leads out of the folder")
    return path.parts


@contextmanager
def _damage(archive: Path) -> Iterator[None]:
    damage = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
    try:
        yield
    except (*damage, NotImplementedError, RuntimeError, OSError) as error:
        raise DataError(
            f"archive {archive} can't be unpacked: {error}", "fetch it again, or free some space"
        ) from error


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(
        f"archive {archive}: {name!r} {why}",
        "fetch the archive from its publisher; nothing was unpacked",
    )
