"""Export of a run's ledger to JSON lines or Parquet, streamed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from harness.errors import SpecError
from harness.ledger.faults import explained
from harness.ledger.ledger import Entry, Ledger
from harness.ledger.manifest import read_manifest
from harness.names import suggest
from harness.records import RunManifest, StoredResponse

__all__ = ["Format", "export", "export_rows"]

Format: TypeAlias = Literal["jsonl", "parquet"]

_ROWS = 2000  # rows of one Parquet row group
_NO_RESPONSE = StoredResponse()
_JSON_COLUMNS = ("target", "data", "scores", "details")
_COLUMNS = (
    *("run", "model", "task", "protocol", "id", "k", "cluster", "category", "target", "data"),
    *("request", "prompt", "text", "image_path", "image_sha256", "loglikelihoods"),
    *("is_greedy", "finish_reason", "prompt_tokens", "completion_tokens", "vision_tokens", "nfe"),
    *("ttft_s", "total_s", "batch_size", "first", "verdict", "reason", "scores", "details"),
)
_NUMBERS = ("prompt_tokens", "completion_tokens", "vision_tokens", "nfe")


def export(folder: str | Path, format: Format, output: str | Path | None = None) -> Path:  # noqa: A002 -- the word users know
    """Write one row per sample: what was asked, what came back, what became of it.

    Rows are in the order of the tasks and of their samples, whatever the order in which they were
    finished, so exports of equal runs are equal but for the timing columns.

    Args:
        folder: Run folder.
        format: `jsonl` (nested values as JSON) or `parquet` (nested values as JSON text).
        output: File to write; `None` is `samples.jsonl` or `samples.parquet` in the folder.

    Returns:
        The file that was written.

    Raises:
        LedgerError: The folder isn't a readable run, or the file can't be written.
        SpecError: The format isn't known.
    """
    writers: dict[str, Callable[[Path, Iterable[dict[str, Any]]], None]] = {
        "jsonl": _write_jsonl,
        "parquet": _write_parquet,
    }
    if format not in writers:
        raise SpecError(
            f"unknown export format {format!r}",
            suggest(format, writers) or "formats: " + ", ".join(writers),
        )
    path = Path(folder) / f"samples.{format}" if output is None else Path(output)
    with explained(Path(folder)):
        _atomically(path, lambda part: writers[format](part, export_rows(folder)))
    return path


def export_rows(folder: str | Path) -> Iterator[dict[str, Any]]:
    """The exported rows, streamed.

    Raises:
        LedgerError: The folder isn't a readable run.
    """
    manifest = read_manifest(folder)
    hashes = {plan.task: plan.protocol.hash for plan in manifest.tasks}
    with Ledger.open(folder) as ledger:
        for task in ledger.tasks():
            for entry in ledger.entries(task):
                yield _row(manifest, task, hashes[task], entry)


def _row(manifest: RunManifest, task: str, protocol: str, entry: Entry) -> dict[str, Any]:
    sample, outcome = entry.sample, entry.outcome
    response = entry.response or _NO_RESPONSE
    return {
        "run": manifest.run_id,
        "model": manifest.model.name,
        "task": task,
        "protocol": protocol,
        "id": sample.id,
        "k": sample.k,
        "cluster": sample.cluster_id,
        "category": sample.category,
        "target": sample.target,
        "data": sample.data,
        "request": entry.request_digest or None,
        "prompt": entry.prompt,
        "text": response.text,
        "image_path": response.image_path,
        "image_sha256": response.image_sha256,
        "loglikelihoods": response.loglikelihoods,
        "is_greedy": response.is_greedy,
        "finish_reason": response.finish_reason.value if entry.response else None,
        **{name: getattr(response.usage, name) for name in _NUMBERS},
        "ttft_s": response.timing.ttft_s,
        "total_s": response.timing.total_s,
        "batch_size": response.timing.batch_size if entry.response else None,
        "first": response.timing.first and response.timing.first.value,
        "verdict": outcome.verdict.value if outcome else "missing",
        "reason": outcome.reason if outcome else "",
        "scores": outcome.scores if outcome else {},
        "details": outcome.details if outcome else {},
    }


def _atomically(path: Path, write: Callable[[Path], None]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(part)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        file.writelines(encoder.encode(row) + b"\n" for row in rows)


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, stream = _parquet_schema(pa), iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while chunk := [_flat(row) for row in islice(stream, _ROWS)]:
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    nested = {name: msgspec.json.encode(row[name]).decode() for name in _JSON_COLUMNS}
    return {**row, **nested}


def _parquet_schema(pa: Any) -> Any:
    numbers = dict.fromkeys(("k", "batch_size", *_NUMBERS), pa.int64())
    seconds = dict.fromkeys(("ttft_s", "total_s"), pa.float64())
    lists = {"loglikelihoods": pa.list_(pa.float64()), "is_greedy": pa.list_(pa.bool_())}
    types = {**numbers, **seconds, **lists}
    return pa.schema([(name, types.get(name, pa.string())) for name in _COLUMNS])
