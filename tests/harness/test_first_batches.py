"""Which batches are a model's first of a kind or size, so that their times aren't usual ones."""

from __future__ import annotations

import json
from pathlib import Path

from harness.ledger import Ledger, LedgerWriter
from harness.ledger.export import export_rows
from harness.ledger.rows import response_from
from harness.records import First, Sample, StoredResponse, Timing
from tests.harness.conftest import Run
from tests.harness.toys import ToyModel


def firsts(folder: Path, task: str) -> list[First | None]:
    with Ledger.open(folder) as ledger:
        return [entry.response.timing.first for entry in ledger.entries(task) if entry.response]


def test_the_first_batch_of_a_kind_and_of_each_size_is_marked(run: Run, tmp_path: Path):
    run("toy-likelihoods", batch_size=16)  # 40 samples
    found = firsts(tmp_path / "run", "toy-likelihoods")
    assert found == [First.KIND] * 16 + [None] * 16 + [First.SIZE] * 8


def test_kinds_are_apart_and_tasks_are_not(run: Run, tmp_path: Path):
    """Follow-ups ask the other two's kinds of request again."""
    names = ("toy-pictures", "toy-answers", "toy-follow-ups")
    run(*names, batch_size=1)
    found = [firsts(tmp_path / "run", name) for name in names]
    assert [marks.count(First.KIND) for marks in found] == [1, 1, 0]
    assert [marks.count(First.SIZE) for marks in found] == [0, 0, 0]


def test_a_model_built_anew_has_first_batches_anew(run: Run, tmp_path: Path):
    run("toy-likelihoods", batch_size=8, adapter=ToyModel())
    with LedgerWriter.open(tmp_path / "run") as ledger:
        ledger._connection.execute("DELETE FROM outcomes WHERE n % 40 >= 16")
        ledger._connection.execute("DELETE FROM responses WHERE n % 40 >= 16")
        ledger.commit()
    run("toy-likelihoods", batch_size=8, adapter=ToyModel())
    found = firsts(tmp_path / "run", "toy-likelihoods")
    assert found == ([First.KIND] * 8 + [None] * 8) + ([First.KIND] * 8 + [None] * 16)


def test_exports_tell(run: Run, tmp_path: Path):
    run("toy-likelihoods", batch_size=20)
    assert [row["first"] for row in export_rows(tmp_path / "run")] == ["kind"] * 20 + [None] * 20


def test_timings_are_kept_and_older_ones_are_read(tmp_path: Path):
    timing = Timing(total_s=1.0, batch_size=4, first=First.SIZE)
    with LedgerWriter.create(tmp_path, ["t"]) as ledger:
        ledger.plan("t", [Sample(id="a")])
        (pending,) = ledger.pending("t", None, 1)
        ledger.add_response(pending.n, "d", "p", StoredResponse(text="x", timing=timing))
        ledger.commit()
        assert ledger.sample("t", "a").response.timing == timing
    old = json.dumps({"ttft_s": None, "total_s": 1.0, "batch_size": 4}).encode()
    response = response_from(("x", None, None, None, None, "stop", None, old))
    assert response.timing == Timing(total_s=1.0, batch_size=4)
