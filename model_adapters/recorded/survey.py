"""One pass over all files of a folder: what identifies it, and how large its images are."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from harness.records import Record
from model_adapters.recorded.pictures import picture_size

__all__ = ["Survey", "survey"]

_CHUNK = 1 << 20


class Survey(Record, frozen=True, kw_only=True):
    """What a pass over a folder's files found."""

    sha256: str
    """Hash over names and contents of all files, in the order of their names."""

    images: int
    """Image files."""

    size: tuple[int, int] | None
    """Width and height of most PNGs; `None` if there is none."""


def survey(root: Path, files: Iterable[Path]) -> Survey:
    """Read every file once, in chunks; nothing but counts is kept.

    Args:
        root: Folder that names are relative to.
        files: Files in a fixed order.
    """
    total, images, sizes = hashlib.sha256(), 0, Counter[tuple[int, int]]()
    for path in files:
        digest, start = _digest(path)
        total.update(f"{path.relative_to(root).as_posix()}\0{digest}\n".encode())
        images += path.suffix != ".jsonl"
        size = picture_size(start)
        if size is not None:
            sizes[size] += 1
    common = max(sizes, key=lambda size: (sizes[size], size)) if sizes else None
    return Survey(sha256=total.hexdigest(), images=images, size=common)


def _digest(path: Path) -> tuple[str, bytes]:
    digest, start = hashlib.sha256(), b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                start = start or chunk[:24]
                digest.update(chunk)
    except OSError as error:  # its image gets a verdict of its own; here it only must not be equal
        return f"unreadable: {error.strerror}", b""
    return digest.hexdigest(), start
