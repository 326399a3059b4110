"""Baseline files: a line for the run, then a line per task, as JSON with sorted keys.

Plain text, because git compresses its objects anyway, and because a gzip file's bytes depend on
the library that wrote it, while equal runs are to give equal files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.baselines.packing import flaw, pack
from harness.baselines.records import BASELINE_VERSION, Baseline
from harness.errors import LedgerError, SpecError
from harness.ledger import Ledger, read_manifest
from harness.media import safe_name, write_bytes
from harness.migrations import Migration, migrate_manifest
from harness.records import RunStatus, canonical_json

__all__ = [
    "MIGRATIONS",
    "baseline_path",
    "decode_baseline",
    "list_baselines",
    "make_baseline",
    "read_baseline",
    "save_baseline",
]

SUFFIX = ".jsonl"

MIGRATIONS: Sequence[Migration] = ()
"""Steps from older versions of the file, oldest first; `manifest` maps its whole object."""


def baseline_path(path: str | Path) -> Path | None:
    """The file of a baseline named with or without its suffix; `None` if there's none."""
    path = Path(path)
    candidates = (path, path.with_name(path.name + SUFFIX))
    return next((p for p in candidates if p.suffix == SUFFIX and p.is_file()), None)


def make_baseline(folder: str | Path, name: str, *, allow_unknown: bool = False) -> Baseline:
    """Reduce a run to a baseline.

    Args:
        folder: Run folder.
        name: Name of the baseline: lower-case letters, digits, `.`, `_`, `-`.
        allow_unknown: Whether samples may be without a score.

    Raises:
        SpecError: The name isn't a plain one.
        LedgerError: The folder isn't a run, or the run isn't complete.
    """
    if safe_name(name) != name:
        raise SpecError(
            f"{name!r} can't name a baseline",
            "use up to 64 lower-case letters, digits, dots, dashes and underscores",
        )
    manifest = read_manifest(folder)
    with Ledger.open(folder) as ledger:
        results = {result.task: result for result in ledger.results()}
        tasks = tuple(
            pack(plan.task, ledger.scored(plan.task), results.get(plan.task))
            for plan in manifest.tasks
        )
    baseline = Baseline(
        name=name, manifest=msgspec.structs.replace(manifest, command=()), tasks=tasks
    )
    _check_complete(Path(folder), baseline, allow_unknown=allow_unknown)
    return baseline


def save_baseline(baseline: Baseline, to: str | Path, *, replace: bool = False) -> Path:
    """Write a baseline atomically; equal baselines give equal bytes.

    Args:
        baseline: What to write.
        to: Folder; it's made if it isn't there.
        replace: Whether another baseline of that name may be overwritten.

    Returns:
        The file.

    Raises:
        LedgerError: Another baseline of that name is there, or the file can't be written.
    """
    path, data = Path(to) / f"{baseline.name}{SUFFIX}", encode(baseline)
    try:
        if path.is_file() and not replace and path.read_bytes() != data:
            raise LedgerError(
                f"{path} holds another baseline", "give another --name, or --replace it"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data, durable=True)
    except OSError as error:
        raise LedgerError(
            f"{path} can't be written: {error.strerror}",
            "name a folder that can be written and has space",
        ) from error
    return path


def encode(baseline: Baseline) -> bytes:
    """The bytes of a baseline's file."""
    head = {
        "schema_version": baseline.schema_version,
        "name": baseline.name,
        "manifest": baseline.manifest,
    }
    return b"".join(canonical_json(line) + b"\n" for line in (head, *baseline.tasks))


def read_baseline(path: str | Path) -> Baseline:
    """Read a baseline, of this version or an older one.

    Args:
        path: The file, with or without its suffix.

    Raises:
        LedgerError: There's no such file, or it's damaged or of a newer version.
    """
    file = baseline_path(path)
    if file is None:
        raise LedgerError(
            f"{path} is not a baseline", "`cheers-bench baseline list` shows those there are"
        )
    try:
        head, *tasks = [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]
        raw = {**head, "tasks": tasks}
    except (OSError, ValueError, TypeError) as error:  # what isn't a mapping gives TypeError
        raise _damaged(file, error) from error
    return decode_baseline(raw, str(file))


def decode_baseline(raw: dict[str, Any], where: str) -> Baseline:
    """A baseline from its JSON object, of this version or an older one.

    Args:
        raw: The object; a file has it in lines.
        where: Where it's from, for messages.

    Raises:
        LedgerError: It's damaged or of a newer version.
    """
    try:
        baseline = msgspec.convert(_migrated(raw, where), Baseline)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(where, error) from error
    wrong = next(filter(None, map(flaw, baseline.tasks)), "")
    if [plan.task for plan in baseline.manifest.tasks] != [task.task for task in baseline.tasks]:
        wrong = "its tasks aren't those of its manifest"
    if wrong:
        raise _damaged(where, wrong)
    return baseline


def list_baselines(folder: str | Path) -> list[Path]:
    """Baseline files of a folder, by name; none if there's no such folder."""
    return sorted(path for path in Path(folder).glob(f"*{SUFFIX}") if path.is_file())


def _migrated(raw: dict[str, Any], where: str) -> dict[str, Any]:
    raw = migrate_manifest(raw, where=where, current=BASELINE_VERSION, steps=MIGRATIONS)
    return {**raw, "manifest": migrate_manifest(raw["manifest"], where=where)}


def _check_complete(folder: Path, baseline: Baseline, *, allow_unknown: bool) -> None:
    remedy = "finish it with its `cheers-bench run` command (--retry-errors asks again)"
    if baseline.manifest.status is not RunStatus.COMPLETE:
        raise LedgerError(f"the run in {folder} is {baseline.manifest.status.value}", remedy)
    for task in baseline.tasks:
        unknown = sum(task.verdicts.count(letter) for letter in "jem")
        if unknown and not allow_unknown:
            raise LedgerError(
                f"{folder}, task {task.task!r}: {unknown} of {len(task.ids)} samples have no score",
                f"{remedy}, or --allow-unknown",
            )


def _damaged(path: str | Path, why: object) -> LedgerError:
    return LedgerError(f"{path} is damaged: {why}", "restore the file, or save the run again")
