"""Export to JSON lines and Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.errors import LedgerError, SpecError
from harness.ledger import Ledger, export
from tests.harness import toys
from tests.harness.conftest import Run

ALL = [task.metadata.name for task in toys.TASKS]


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    run(*ALL)
    return tmp_path / "run"


def test_jsonl_and_parquet_hold_the_same_rows(folder: Path):
    lines = export(folder, "jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    table = pq.read_table(export(folder, "parquet")).to_pylist()
    assert len(rows) == len(table) == 5 * 40 + 36 + 5
    for row, flat in zip(rows, table, strict=True):
        for name in ("target", "data", "scores", "details"):
            flat[name] = json.loads(flat[name])
        if flat["loglikelihoods"]:
            assert flat["loglikelihoods"].pop() == float("-inf")
            assert row["loglikelihoods"].pop() is None  # JSON has no infinity
        assert row == flat
    assert list(rows[0]) == pq.read_schema(folder / "samples.parquet").names


def test_rows_say_what_the_ledger_says(folder: Path):
    rows = [json.loads(line) for line in export(folder, "jsonl").read_text().splitlines()]
    with Ledger.open(folder) as ledger:
        for row in rows[::7]:
            entry = ledger.sample(row["task"], row["id"], row["k"])
            assert row["prompt"] == entry.prompt
            assert row["verdict"] == (entry.outcome.verdict if entry.outcome else None)
            if entry.response is not None:
                assert row["text"] == entry.response.text
                assert row["image_sha256"] == entry.response.image_sha256


def test_export_to_a_named_file(folder: Path, tmp_path: Path):
    path = export(folder, "jsonl", tmp_path / "my.jsonl")
    assert path == tmp_path / "my.jsonl"
    assert len(path.read_text().splitlines()) == 241


def test_wrong_formats_and_folders_are_refused(folder: Path, tmp_path: Path):
    with pytest.raises(SpecError, match="did you mean 'parquet'"):
        export(folder, "parkett")  # type: ignore[arg-type]
    with pytest.raises(LedgerError, match="not a run folder"):
        export(tmp_path, "jsonl")
    with pytest.raises(LedgerError, match="No such file"):
        export(folder, "jsonl", tmp_path / "nowhere" / "a.jsonl")


def test_a_failed_export_leaves_the_earlier_file(folder: Path, monkeypatch: pytest.MonkeyPatch):
    path = export(folder, "jsonl")
    before = path.read_bytes()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(LedgerError, match=r"no space left(.|\n)*free some space"):
        export(folder, "jsonl")
    assert path.read_bytes() == before
    assert not list(folder.glob("*.tmp")) + list(folder.glob(".*.tmp"))
