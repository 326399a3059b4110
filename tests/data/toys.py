"""Small data files with pictures, written as their publishers write them."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

__all__ = ["COLUMNS", "png", "png64", "question", "write_tsv"]

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
    rows: Sequence[Mapping[str, str]],
    columns: Sequence[str] = COLUMNS,
    quoting: int = csv.QUOTE_MINIMAL,
) -> Path:
    """A TSV file as pandas writes it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n", quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)
    return path
