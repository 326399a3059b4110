"""A run's images in GenEval's folder layout, for other people's scorers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.errors import LedgerError, SpecError
from harness.ledger import Entry, Ledger, read_manifest
from harness.media import is_whole_png
from tasks.geneval.prompts import as_line

__all__ = ["export_geneval"]

_KEYS = frozenset({"tag", "include", "prompt"})


class _Written(NamedTuple):
    images: int
    samples: int


def export_geneval(folder: Path, output: Path | None) -> str:
    """Write `00000/metadata.jsonl` and `00000/samples/00000.png` for every prompt and image.

    The layout is that of `generation/diffusers_generate.py` of djghosh13/geneval at commit
    af4902f. PNGs are copied byte for byte, so each still says in its text chunk which prompt it
    answers. With several tasks of GenEval's kind, each gets a folder of its own.

    Args:
        folder: Run folder.
        output: Folder to write, new or empty; `None` is `geneval` in the run folder.

    Returns:
        What was written, and how many samples have no image.

    Raises:
        SpecError: The run has no task with GenEval's records, or the output holds something.
        LedgerError: The folder isn't a run, or can't be written.
    """
    target = folder / "geneval" if output is None else output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SpecError(f"{target} isn't empty", "name a new folder: old images would be mixed in")
    read_manifest(folder)
    part = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        written = _write_tasks(folder, part)
        if target.exists():
            target.rmdir()
        part.replace(target)
    except OSError as error:
        raise LedgerError(f"{target} can't be written: {error}", "check place and space") from error
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(part)
    missing = written.samples - written.images
    lacking = f"; {missing:,} samples have no image" if missing else ""
    return f"{target}: {written.images:,} images{lacking}"


def _write_tasks(folder: Path, part: Path) -> _Written:
    with Ledger.open(folder) as ledger:
        names = [task for task in ledger.tasks() if _is_geneval(ledger, task)]
        if not names:
            raise SpecError(
                f"no task of {folder} has GenEval's prompts: {', '.join(ledger.tasks())}",
                "export a run of geneval, geneval-long or shapes-geneval",
            )
        parts = [part / name if len(names) > 1 else part for name in names]
        counts = [
            _write_task(folder, ledger.entries(name), place)
            for name, place in zip(names, parts, strict=True)
        ]
    return _Written(sum(c.images for c in counts), sum(c.samples for c in counts))


def _is_geneval(ledger: Ledger, task: str) -> bool:
    first = next(iter(ledger.entries(task)), None)
    if first is None or not isinstance(first.sample.target, Mapping):
        return False
    return set(first.sample.target) >= _KEYS and first.sample.id.isdecimal()


def _write_task(folder: Path, entries: Iterator[Entry], part: Path) -> _Written:
    images = samples = 0
    for entry in entries:
        place = part / entry.sample.id
        _write_metadata(place, entry)
        images += _copy_image(folder, entry, place / "samples" / f"{entry.sample.k:05d}.png")
        samples += 1
    return _Written(images, samples)


def _write_metadata(place: Path, entry: Entry) -> None:
    path = place / "metadata.jsonl"
    if path.exists():
        return
    (place / "samples").mkdir(parents=True)
    record = entry.sample.target
    assert isinstance(record, Mapping)  # noqa: S101 -- `_is_geneval` looked
    path.write_text(as_line(record), encoding="utf-8")


def _copy_image(folder: Path, entry: Entry, target: Path) -> bool:
    stored = entry.response.image_path if entry.response else None
    if stored is None or not is_whole_png(folder / stored):
        return False
    shutil.copyfile(folder / stored, target)
    return True
