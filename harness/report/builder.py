"""Building a report: read the runs once, write data in pieces, then the page; all or nothing."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import SpecError
from harness.ledger import Ledger
from harness.ledger.faults import explained
from harness.records import Record
from harness.report.pairs import compare_pairs
from harness.report.pictures import PictureStore
from harness.report.rendering import Block, render_report
from harness.report.runs import ReportRun, TaskGroup, group_tasks, read_runs, read_table
from harness.report.samples import SampleIndex, write_samples
from harness.report.shards import ShardWriter
from harness.report.views import Report

__all__ = ["ReportSettings", "build_report"]

PAGE = "index.html"
_MARK = "cheers-bench-report"


class ReportSettings(Record, frozen=True, kw_only=True):
    """How a report is built."""

    title: str = "Evaluation report"
    """Heading of the page."""

    single_file: bool = False
    """Whether the page holds all data and thumbnails; otherwise they lie beside it."""

    thumbnail: int = 256
    """Longest side of a single file's pictures, in pixels."""


def build_report(
    folders: Sequence[Path], output: Path, settings: ReportSettings | None = None
) -> Path:
    """Build a report of one or more runs.

    Samples are streamed: memory doesn't grow with their number, but for 8 bytes a measured
    number, and the flipped samples of compared runs.

    Args:
        folders: Run folders.
        output: Folder to write; an earlier report there is replaced, anything else is refused.
            For a single file also its name, ending in `.html`.
        settings: How it's built; `None` is a folder with the usual heading.

    Returns:
        The page to open.

    Raises:
        SpecError: No run is named, one is named twice, or the output isn't a report's.
        LedgerError: A run can't be read, or the report can't be written.
    """
    settings = settings or ReportSettings()
    if not folders:
        raise SpecError("the report has no run", "name run folders")
    as_file = settings.single_file and output.suffix == ".html"
    target = output.parent if as_file else output
    if not as_file:
        _check(output)
    with explained(target):
        where = target if as_file else target.parent
        where.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=where, prefix=".report-") as name:
            made = _build(folders, Path(name), settings)
            return _placed(made, output, as_file=as_file)


def _check(output: Path) -> None:
    if output.is_file() or (output.is_dir() and not _may_replace(output)):
        raise SpecError(
            f"{output} holds something that isn't a report",
            "name a new or empty folder with --out",
        )


def _may_replace(folder: Path) -> bool:
    return (folder / _MARK).is_file() or not any(folder.iterdir())


def _placed(made: Path, output: Path, *, as_file: bool) -> Path:
    """Put the finished report where it belongs, in one step."""
    if as_file:
        (made / PAGE).replace(output)
        return output
    (made / _MARK).touch()
    if output.exists():
        output.replace(made.with_name("replaced"))  # goes away with the working folder
    made.replace(output)
    return output / PAGE


def _build(folders: Sequence[Path], work: Path, settings: ReportSettings) -> Path:
    """Write the report into the working folder; what is returned is the finished part."""
    made, data = work / "report", work / "data"
    made.mkdir()
    if not settings.single_file:
        data = made / "data"
    data.mkdir()
    table = read_table(folders)
    runs = read_runs(table)
    groups = group_tasks(table, runs)
    pictures = work if settings.single_file else made
    store = PictureStore(pictures, settings.thumbnail if settings.single_file else None)
    writer = ShardWriter(data, scripts=not settings.single_file)
    indexes = _indexes(runs, groups, store, writer)
    pairs, broken = compare_pairs(runs)
    report = Report(
        title=settings.title,
        table=table,
        runs=runs,
        groups=groups,
        indexes=indexes,
        pairs=pairs,
        notes=[*_notes(indexes, groups, runs, store), *broken],
    )
    blocks = _blocks(work) if settings.single_file else iter(())
    render_report(report, made / PAGE, blocks, whole=settings.single_file)
    return made


def _indexes(
    runs: Sequence[ReportRun],
    groups: Sequence[TaskGroup],
    store: PictureStore,
    writer: ShardWriter,
) -> dict[int, list[SampleIndex]]:
    indexes: dict[int, list[SampleIndex]] = {group.number: [] for group in groups}
    for run in runs:
        with Ledger.open(run.folder) as ledger:
            for group in groups:
                if run.number in group.runs:
                    made = write_samples(ledger, run, group, store, writer)
                    indexes[group.number].append(made)
    return indexes


def _notes(
    indexes: dict[int, list[SampleIndex]],
    groups: Sequence[TaskGroup],
    runs: Sequence[ReportRun],
    store: PictureStore,
) -> list[str]:
    notes = [
        f"{groups[number].task}, {runs[index.run].label}: {note}"
        for number, found in indexes.items()
        for index in found
        for note in index.notes
    ]
    if store.unreadable:
        notes.append(f"{store.unreadable} pictures of the runs can't be read and are left out")
    return notes


def _blocks(work: Path) -> Iterator[Block]:
    """Data and pictures of a single file, one at a time."""
    for path in sorted((work / "data").glob("*.json")):
        yield Block(path.stem, path.read_text(encoding="utf-8"))
    for path in sorted((work / "images").rglob("*.webp")):
        name = path.relative_to(work).as_posix()
        yield Block(name, base64.b64encode(path.read_bytes()).decode())
