"""The ledger: what goes in comes out, broken files are named, one writer at a time."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import DataError, LedgerError, UnknownNameError
from harness.ledger import Ledger, LedgerWriter, ScoredView, read_manifest, writer
from harness.records import (
    FinishReason,
    Outcome,
    Sample,
    StoredResponse,
    TaskResult,
    TaskStatus,
    Timing,
    Usage,
    Verdict,
)
from tests.harness.conftest import Run

IDS = ["a", "A", "", "../x", "日本 语", "a\u0000b", "a'; DROP TABLE samples; --", "x" * 10_000]
FULL = StoredResponse(
    text="héllo\u0000\n" + "🙂" * 3,
    image_path="images/t/a.png",
    image_sha256="1x1:0",
    loglikelihoods=(-0.1, -1 / 3, float("-inf")),
    finish_reason=FinishReason.CONTEXT,
    usage=Usage(prompt_tokens=1, completion_tokens=2, vision_tokens=3, nfe=4),
    timing=Timing(ttft_s=0.1, total_s=1 / 3, batch_size=7),
)
JUDGED = Outcome(
    verdict=Verdict.UNPARSED,
    reason="é",
    scores={"a": 0.1 + 0.2},
    details={"boxes": [[1, 2.5], {"x": None}], "ok": True},
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerWriter]:
    with LedgerWriter.create(tmp_path / "run", ["t", "u"]) as opened:
        yield opened


def ns(ledger: LedgerWriter, task: str = "t") -> list[int]:
    return [pending.n for pending in ledger.pending(task, None, 1000)]


def test_hostile_samples_come_back_as_they_went(ledger: LedgerWriter):
    samples = [
        Sample(id=name, k=k, cluster="c", category="é", target=[1, None], data={"x": {"y": name}})
        for name in IDS
        for k in (0, 1)
    ]
    assert ledger.plan("t", iter(samples)) == len(samples)
    assert [pending.sample for pending in ledger.pending("t", None, 1000)] == samples
    for sample in samples:
        assert ledger.sample("t", sample.id, sample.k).sample == sample


def test_everything_about_a_sample_comes_back(ledger: LedgerWriter):
    ledger.plan("t", [Sample(id="a"), Sample(id="b"), Sample(id="c")])
    first, second, _ = ns(ledger)
    ledger.add_response(first, "digest", "prömpt", FULL)
    ledger.add_outcome(first, JUDGED)
    ledger.add_error(second, "digest2", "p", "Traceback: \ud800 boom")
    ledger.commit()
    assert ledger.sample("t", "a") == (*(Sample(id="a"), FULL, JUDGED, "prömpt", "digest", None),)
    errored = ledger.sample("t", "b")
    assert errored.response is None
    assert errored.outcome == Outcome(verdict=Verdict.ERRORED, reason="Traceback: \\ud800 boom")
    assert errored.error == "Traceback: \\ud800 boom"
    assert ledger.sample("t", "c") == (Sample(id="c"), None, None, "", "", None)
    assert ledger.counts("t") == (3, 2, 1, 1)


def test_a_huge_answer_is_kept_whole(ledger: LedgerWriter):
    ledger.plan("t", [Sample(id="a")])
    text = "ä🙂" * 5_000_000
    ledger.add_response(ns(ledger)[0], "d", "p", StoredResponse(text=text))
    ledger.commit()
    response = ledger.sample("t", "a").response
    assert response is not None
    assert response.text == text


def test_pending_and_unscored_page_through_what_is_left(ledger: LedgerWriter):
    ledger.plan("t", (Sample(id=str(i)) for i in range(10)))
    ledger.plan("u", (Sample(id=str(i)) for i in range(10)))
    rows = ns(ledger)
    for n in rows[2:5]:
        ledger.add_response(n, "d", "p", StoredResponse(text="x"))
    ledger.add_error(rows[5], "d", "p", "boom")
    ledger.add_outcome(rows[2], Outcome(verdict=Verdict.OK))
    ledger.commit()
    assert [p.sample.id for p in ledger.pending("t", None, 3)] == ["0", "1", "6"]
    assert [p.sample.id for p in ledger.pending("t", rows[6], 9)] == ["7", "8", "9"]
    left = ledger.unscored("t", None, 99)
    assert [a.sample.id for a in left] == list("013456789")
    assert [a.response is not None for a in left] == [i in "34" for i in "013456789"]
    assert [a.error for a in left if a.error] == ["boom"]
    assert len(ledger.pending("u", None, 99)) == 10


def test_scored_samples_are_a_lazy_sequence_in_task_order(ledger: LedgerWriter):
    ledger.plan("t", (Sample(id=str(i)) for i in range(1000)))
    for n in reversed(ns(ledger)[10:]):
        ledger.add_outcome(n, Outcome(verdict=Verdict.OK, scores={"n": float(n)}))
    ledger.commit()
    view = ScoredView(ledger, "t")
    assert len(view) == 1000
    assert [item.sample.id for item in view] == [str(i) for i in range(1000)]
    assert view[3].outcome.verdict is Verdict.MISSING
    assert view[-1] == view[999] == list(view)[999]
    assert [item.sample.id for item in view[8:12]] == ["8", "9", "10", "11"]
    with pytest.raises(IndexError):
        view[1000]
    assert ledger.verdict_counts("t") == {
        **dict.fromkeys(Verdict, 0),
        Verdict.OK: 990,
        Verdict.MISSING: 10,
    }


def test_results_come_in_the_order_of_the_tasks_and_replace_each_other(ledger: LedgerWriter):
    def result(task: str, total: int) -> TaskResult:
        return TaskResult(
            task=task,
            status=TaskStatus.COMPLETE,
            metrics=(),
            verdicts={"ok": total},
            protocol_hash="x",
            total=total,
        )

    for task, total in (("u", 1), ("t", 2), ("u", 3)):
        ledger.add_result(result(task, total))
    assert ledger.results() == [result("t", 2), result("u", 3)]


@pytest.mark.parametrize("distance", [1, 1500])
def test_a_repeated_sample_is_named(ledger: LedgerWriter, distance: int):
    samples = [Sample(id=str(i)) for i in range(distance)]
    with pytest.raises(DataError, match=r"lists sample '0' with k = 0 twice(.|\n)*unique"):
        ledger.plan("t", [*samples, Sample(id="0")])
    assert ledger.total("t") is None
    assert ns(ledger) == []


@pytest.mark.parametrize(
    "bad", [Sample(id="\ud800"), Sample(id="x", target=object()), Sample(id="x", k=2**70)]
)
def test_a_sample_that_cannot_be_stored_is_named(ledger: LedgerWriter, bad: Sample):
    with pytest.raises(DataError, match=r"can't be stored(.|\n)*remedy"):
        ledger.plan("t", [Sample(id="ok"), bad])
    assert ledger.total("t") is None
    assert ledger.plan("t", [Sample(id="ok")]) == 1  # planning again works


def test_a_plan_that_fails_half_way_leaves_nothing(ledger: LedgerWriter):
    def samples() -> Iterator[Sample]:
        yield from (Sample(id=str(i)) for i in range(2500))
        raise ValueError("broken data")

    with pytest.raises(ValueError, match="broken data"):
        ledger.plan("t", samples())
    assert (ns(ledger), ledger.total("t")) == ([], None)


def test_wrong_names_get_hints(ledger: LedgerWriter):
    ledger.plan("t", [Sample(id="circle-17")])
    with pytest.raises(UnknownNameError, match=r"did you mean 'circle-17'"):
        ledger.sample("t", "circle-71")
    with pytest.raises(UnknownNameError, match="it has: t, u"):
        ledger.sample("nothing", "a")
    with pytest.raises(UnknownNameError, match="with k = 3") as caught:
        ledger.sample("t", "circle-17", 3)
    assert caught.value.remedy == "it has k = 0"


def test_readers_see_only_what_is_committed(ledger: LedgerWriter):
    ledger.plan("t", [Sample(id="a")])
    ledger.add_response(ns(ledger)[0], "d", "p", StoredResponse(text="x"))
    with Ledger.open(ledger.folder) as reader:
        assert reader.sample("t", "a").response is None
        ledger.commit()
        assert reader.sample("t", "a").response == StoredResponse(text="x")


def test_rows_are_committed_when_due(ledger: LedgerWriter, monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(writer.time, "monotonic", lambda: now)
    ledger.plan("t", (Sample(id=str(i)) for i in range(2 * writer.COMMIT_ROWS)))
    rows = ns(ledger) + [p.n for p in ledger.pending("t", ns(ledger)[-1], 10_000)]
    ledger.commit()
    ledger.add_outcome(rows[0], JUDGED)
    ledger.commit_if_due()
    assert ledger.counts("t").judged == 0
    now += 1.01 * writer.COMMIT_SECONDS
    ledger.commit_if_due()
    assert ledger.counts("t").judged == 1
    for n in rows[1 : writer.COMMIT_ROWS + 1]:
        ledger.add_outcome(n, JUDGED)
        ledger.commit_if_due()
    assert ledger.counts("t").judged == writer.COMMIT_ROWS + 1


def test_two_writers_are_refused_within_and_across_processes(ledger: LedgerWriter):
    with pytest.raises(LedgerError, match="being written by another process"):
        LedgerWriter.open(ledger.folder)
    code = f"from harness.ledger import LedgerWriter; LedgerWriter.open({str(ledger.folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "being written by another process" in done.stderr


def test_the_folder_is_free_after_closing_and_holds_one_file(tmp_path: Path):
    for _ in range(2):
        LedgerWriter.create(tmp_path, ["t"]).close()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "ledger.sqlite"]


def test_a_ledger_without_its_manifest_is_not_overwritten(tmp_path: Path):
    with LedgerWriter.create(tmp_path, ["t"]) as ledger:
        ledger.plan("t", [Sample(id="a")])
    with pytest.raises(LedgerError, match=r"manifest.json is gone(.|\n)*restore"):
        LedgerWriter.create(tmp_path, ["t"])


def test_a_ledger_on_a_read_only_medium_can_be_read():
    code = (
        "import os, sys; from harness.ledger import Ledger\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "assert not os.access(sys.argv[1], os.W_OK, effective_ids=True)\n"
        "print(Ledger.open(sys.argv[1]).total('t'))"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LedgerWriter.create(folder, ["t"]) as ledger:
            ledger.plan("t", [Sample(id="a")])
        (folder / "ledger.sqlite").chmod(0o444)
        folder.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", code, name], capture_output=True, text=True, check=False
        )
        folder.chmod(0o755)
    assert done.stdout == "1\n", done.stderr


def _overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("damage", ["text", "empty", "header", "middle", "other database"])
def test_a_broken_ledger_is_a_clear_error(tmp_path: Path, damage: str):
    with LedgerWriter.create(tmp_path, ["t"]) as ledger:
        ledger.plan("t", (Sample(id=str(i), data={"x": "y" * 50}) for i in range(3000)))
    path = tmp_path / "ledger.sqlite"
    if damage == "text":
        path.write_text("this is no database " * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "header":
        _overwrite(path, 0, b"\xff" * 100)
    elif damage == "middle":
        _overwrite(path, 4096, b"\xff" * (path.stat().st_size - 8192))
    else:
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE music (a)")
        other.close()
    for opened in (Ledger, LedgerWriter):
        with (
            pytest.raises(LedgerError, match=r"ledger\.sqlite is (damaged|not)(.|\n)*restore"),
            opened.open(tmp_path) as broken,
        ):
            list(broken.scored("t"))


def test_a_missing_ledger_or_manifest_is_a_clear_error(tmp_path: Path):
    with pytest.raises(LedgerError, match=r"has no ledger\.sqlite"):
        Ledger.open(tmp_path)
    with pytest.raises(LedgerError, match="is not a run folder"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"run_id": 3, "schema_version": 1}', "\ud800"]
)
def test_a_damaged_manifest_is_a_clear_error(tmp_path: Path, content: str):
    path = tmp_path / "manifest.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(LedgerError, match=r"manifest\.json is damaged(.|\n)*restore"):
        read_manifest(tmp_path)


def test_an_unknown_field_in_a_manifest_is_refused(run: Run, tmp_path: Path):
    run()
    path = tmp_path / "run" / "manifest.json"
    path.write_text(path.read_text().replace('"label"', '"lable"'))
    with pytest.raises(LedgerError, match="lable"):
        read_manifest(tmp_path / "run")
