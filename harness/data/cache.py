"""The cache of data files: one folder per name, and `data.lock`, which says what each file is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from harness.errors import DataError, SpecError
from harness.media import write_bytes
from harness.records import Record

__all__ = ["Cache", "LockEntry"]

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_PATIENCE_S = 60.0


class LockEntry(Record, frozen=True, kw_only=True):
    """What a cached file was when it came."""

    name: str
    """Name of the data set: its folder. `_addresses` and `_unpacked` are the cache's own."""

    file: str
    """The file's name."""

    sha256: str
    """64 hexadecimal digits; for a folder, over names and contents."""

    md5: str
    """32 hexadecimal digits; empty for a folder."""

    size: int
    """Bytes."""

    source: str
    """Address or path that it came from."""

    time: str
    """When it came: ISO 8601, UTC."""


class _Lock(Record, frozen=True, kw_only=True):
    version: int = 1
    files: Mapping[str, LockEntry] = msgspec.field(default_factory=dict)


_ENCODER = msgspec.json.Encoder(order="sorted")


class Cache:
    """Data files of all benchmarks, `NAME/FILE` beside one `data.lock`.

    Args:
        root: Its folder; `None` takes `$CHEERS_BENCH_DATA`, or `~/.cache/cheers-bench/data`.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = _default_root() if root is None else root

    def path(self, name: str, file: str) -> Path:
        """Where a file is, or would be.

        Raises:
            SpecError: A name could leave the cache.
        """
        for part in (name, file):
            if not _PLAIN.match(part):
                raise SpecError(
                    f"{part!r} can't be a name in the data cache",
                    "use letters, digits, '.', '_' and '-', with a letter or digit in front",
                )
        return self.root / name / file

    def entries(self) -> dict[str, LockEntry]:
        """What `data.lock` records, by `NAME/FILE`.

        Raises:
            DataError: It can't be read.
        """
        try:
            lock = msgspec.json.decode(self._lock_file.read_bytes(), type=_Lock)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            raise DataError(
                f"{self._lock_file} can't be read: {error}",
                "move it away and run `cheers-bench data import NAME FILE` for each file",
            ) from error
        return dict(lock.files)

    def entry(self, name: str, file: str) -> LockEntry | None:
        """What `data.lock` records of a file."""
        return self.entries().get(f"{name}/{file}")

    def record(self, entry: LockEntry) -> None:
        """Write or replace one entry; concurrent writers wait for each other.

        Raises:
            DataError: The cache can't be written.
        """
        with self.locked():
            files = {**self.entries(), f"{entry.name}/{entry.file}": entry}
            text = msgspec.json.format(_ENCODER.encode(_Lock(files=files)), indent=2)
            self._write(text + b"\n")

    @contextmanager
    def locked(self, name: str = "") -> Iterator[None]:
        """Keep other processes from writing `data.lock`, or the files of one name.

        Args:
            name: Whose files; empty for `data.lock`.

        Raises:
            DataError: Another process holds the lock for too long, or the cache can't be written.
        """
        from filelock import FileLock, Timeout

        folder = self.root / name
        lock = FileLock(folder / ".lock", timeout=_PATIENCE_S)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise DataError(
                f"another process has been writing {folder} for {_PATIENCE_S:g} s",
                "wait until it has finished",
            ) from error
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            yield
        finally:
            lock.release()

    @property
    def _lock_file(self) -> Path:
        return self.root / "data.lock"

    def _write(self, data: bytes) -> None:
        try:
            write_bytes(self._lock_file, data, durable=True)
        except OSError as error:
            raise _unwritable(self._lock_file, error) from error


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} can't be written: {error.strerror}",
        "set CHEERS_BENCH_DATA to a folder that can be written and has space",
    )


def _default_root() -> Path:
    chosen = os.environ.get("CHEERS_BENCH_DATA", "")
    return Path(chosen or "~/.cache/cheers-bench/data").expanduser()
