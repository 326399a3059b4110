"""Small data files with pictures, written as their publishers write them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from harness.records import DataFile

__all__ = [
    "COLUMNS",
    "archive_file",
    "png",
    "png64",
    "question",
    "write_tar",
    "write_tsv",
    "write_zip",
]

COLUMNS = ("index", "question", "A", "B", "answer", "category", "image")


def png(colour: str = "red", size: tuple[int, int] = (8, 6), form: str = "PNG") -> bytes:
    """A picture of one colour as a file."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, form)
    return buffer.getvalue()


def png64(colour: str = "red", size: tuple[int, int] = (8, 6)) -> str:
    """The same in base64."""
    return base64.b64encode(png(colour, size)).decode()


def question(index: int, **cells: str) -> dict[str, str]:
    """One row; every picture has its own colour."""
    plain = {
        "index": str(index),
        "question": f"What is in picture {index}?",
        "A": "a cat",
        "B": "a dog",
        "answer": "AB"[index % 2],
        "category": "animals",
        "image": png64(f"#0000{index % 256:02x}"),
    }
    return {**plain, **cells}


def write_tsv(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] = COLUMNS,
    quoting: int = csv.QUOTE_MINIMAL,
) -> Path:
    """A TSV file as pandas writes it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)
    return path


FILES = {"metadata.jsonl": b'{"file_name": "p/1.png", "question": "?"}\n', "p/1.png": png("red")}


def write_zip(path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """A zip file, by default of a table and its picture."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, files: Mapping[str, bytes] = FILES, *, mode: str = "w:gz") -> Path:
    """A tar file of the same."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def archive_file(path: Path) -> DataFile:
    """What a task says about an archive."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return DataFile(
        name="Toy", file=path.name, sha256=sha256, licence="MIT", split="test", origin="here"
    )
