"""A run's images as DPG-Bench's script reads them: one file an item, four images in a grid."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from harness.errors import LedgerError, SpecError
from harness.grid import CELLS, paste_grid
from harness.ledger import Entry, Ledger, read_manifest
from harness.media import read_origin, read_png, write_png

__all__ = ["export_dpg"]

_TASK = "dpg-bench"


def export_dpg(folder: Path, output: Path | None) -> str:
    """Write `ITEM.png` for every item of a run of `dpg-bench`.

    Several images become a 2x2 grid, a single one stays as it is. An item of which an image is
    missing is left out: in a grid, the original would judge a black square. Each file's text chunk
    says which prompt it answers.

    Args:
        folder: Run folder.
        output: Folder to write, new or empty; `None` is `dpg-bench` in the run folder.

    Returns:
        What was written, and how many items were left out.

    Raises:
        SpecError: The run has no DPG-Bench, more than four images an item or an item whose id
            can't name a file, or the output holds something.
        LedgerError: The folder isn't a run, or can't be written.
    """
    target = folder / _TASK if output is None else output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SpecError(f"{target} isn't empty", "name a new folder: old images would be mixed in")
    read_manifest(folder)
    part = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        part.mkdir(parents=True)
        written = [_write_item(folder, entries, part) for entries in _items(folder)]
        if target.exists():
            target.rmdir()
        part.replace(target)
    except OSError as error:
        raise LedgerError(f"{target} can't be written: {error}", "check place and space") from error
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(part)
    lacking = written.count(False)
    left_out = f"; {lacking:,} items without all their images left out" if lacking else ""
    return f"{target}: {written.count(True):,} items{left_out}"


def _items(folder: Path) -> Iterator[list[Entry]]:
    """The entries of each item."""
    with Ledger.open(folder) as ledger:
        if _TASK not in ledger.tasks():
            raise SpecError(
                f"{folder} has no {_TASK}, only {', '.join(ledger.tasks())}", f"run {_TASK} first"
            )
        for _, entries in groupby(ledger.entries(_TASK), key=lambda entry: entry.sample.id):
            yield list(entries)


def _write_item(folder: Path, entries: Sequence[Entry], part: Path) -> bool:
    """Write one item's file; False if an image is missing."""
    name = entries[0].sample.id
    if len(entries) > CELLS:
        raise SpecError(f"item {name!r} has {len(entries)} images", f"a grid holds {CELLS}")
    if Path(name).name != name or name.startswith(".") or "\\" in name:
        raise SpecError(f"item {name!r} can't name a file", "rename it in the question file")
    stored = [entry.response for entry in entries]
    if not all(response and response.image_path for response in stored):
        return False
    files = [(folder / str(r.image_path), r.image_sha256) for r in stored if r]
    try:
        pictures = [read_png(path, digest) for path, digest in files]
        origin = read_origin(files[0][0])
    except LedgerError:  # a lost or spoilt picture; scoring says which
        return False
    image = paste_grid(pictures) if len(pictures) > 1 else pictures[0]
    write_png(part / f"{name}.png", image, origin)
    return True
