"""Baselines: nothing of the scores is lost, nothing else is kept, equal runs give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.baselines import list_baselines, make_baseline, read_baseline, save_baseline
from harness.baselines.packing import flaw, pack, unpack
from harness.baselines.store import encode
from harness.cli.main import main
from harness.compare import compare_runs
from harness.errors import LedgerError, SpecError
from harness.ledger import Ledger
from harness.migrations import Migration
from harness.records import AnswerRequest, Outcome, Response, Sample, ScoredSample, Verdict
from harness.sources import open_source
from tests.harness.conftest import Run
from tests.harness.toys import ToyModel

TASKS = ("toy-answers", "toy-pictures", "toy-probe")


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    run(*TASKS, label="the toy")
    return tmp_path / "run"


@pytest.fixture
def saved(folder: Path, tmp_path: Path) -> Path:
    return save_baseline(make_baseline(folder, "toy"), tmp_path / "kept")


NAMES = st.text(max_size=4)
SCORED = st.builds(
    ScoredSample,
    sample=st.builds(
        Sample,
        id=NAMES,
        k=st.integers(0, 3),
        cluster=st.none() | NAMES,
        category=st.none() | NAMES,
    ),
    outcome=st.builds(
        Outcome,
        verdict=st.sampled_from(Verdict),
        scores=st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    ),
)


@given(st.lists(SCORED, max_size=12))
def test_samples_come_back(rows: list[ScoredSample]):
    packed = pack("t", rows, None)
    assert flaw(packed) == ""
    again = msgspec.json.decode(msgspec.json.encode(packed), type=type(packed))
    assert list(unpack(again)) == rows


def test_a_baseline_reads_like_its_run(folder: Path, saved: Path):
    with open_source(folder) as run, open_source(saved) as kept:
        assert kept.label == run.label == "the toy"
        for task in TASKS:
            assert kept.plan(task) == run.plan(task)
            pairs = zip(run.scored(task), kept.scored(task), strict=True)
            for there, here in pairs:
                assert here.sample.key == there.sample.key
                assert here.sample.cluster_id == there.sample.cluster_id
                assert here.outcome.verdict is there.outcome.verdict
                assert here.outcome.scores == there.outcome.scores
        assert kept.results() == run.results()


def test_runs_and_baselines_are_compared_interchangeably(folder: Path, saved: Path):
    plain = compare_runs(folder, folder).differences
    for pair in ((saved, folder), (folder, saved), (saved, saved.with_suffix(""))):
        assert compare_runs(*pair).differences == plain


def test_equal_runs_give_equal_bytes(folder: Path, saved: Path, tmp_path: Path):
    again = save_baseline(make_baseline(folder, "toy"), tmp_path / "twice")
    assert again.read_bytes() == saved.read_bytes()
    assert encode(read_baseline(saved)) == saved.read_bytes()


def test_nothing_but_scores_is_kept(folder: Path, saved: Path):
    text = saved.read_text()
    with Ledger.open(folder) as ledger:
        entries = list(ledger.entries("toy-answers"))
    assert entries[0].response is not None
    assert entries[0].response.text not in text
    assert entries[0].prompt not in text
    assert "images/" not in text
    assert "日本" not in text
    assert read_baseline(saved).manifest.command == ()


def test_a_file_is_small(saved: Path):
    """A few dozen bytes a sample beside the manifest."""
    samples = saved.read_bytes().splitlines()[1:]
    assert sum(map(len, samples)) < 50 * 85 + 4000


def test_another_baseline_is_not_overwritten(saved: Path, run: Run, tmp_path: Path):
    before = saved.read_bytes()
    run("toy-answers", out="other")
    other = make_baseline(tmp_path / "other", "toy")
    with pytest.raises(LedgerError, match="holds another baseline"):
        save_baseline(other, saved.parent)
    assert saved.read_bytes() == before
    save_baseline(other, saved.parent, replace=True)
    assert len(read_baseline(saved).tasks) == 1


def test_a_failed_write_leaves_the_old_file(
    saved: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run("toy-answers", out="other")
    other, before = make_baseline(tmp_path / "other", "toy"), saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LedgerError, match="No space left"):
        save_baseline(other, saved.parent, replace=True)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("name", ["", "../up", "Nano", "a b", "x" * 80])
def test_names_are_plain(folder: Path, name: str):
    with pytest.raises(SpecError, match="can't name a baseline"):
        make_baseline(folder, name)


class Failing(ToyModel):
    """Fails on two requests of forty."""

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        if any(r.prompt.startswith("Question s3 ") for r in requests):
            raise ValueError("no")
        return super().answer(requests)


def test_runs_with_unknown_samples_are_refused(run: Run, tmp_path: Path):
    run("toy-answers", adapter=Failing(size=1))
    with pytest.raises(LedgerError, match=r"2 of 40 samples have no score(.|\n)*allow-unknown"):
        make_baseline(tmp_path / "run", "holed")
    assert make_baseline(tmp_path / "run", "holed", allow_unknown=True).tasks[0].verdicts.count("e")


def test_unfinished_runs_are_refused(folder: Path):
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete"', '"interrupted"'))
    with pytest.raises(LedgerError, match="is interrupted"):
        make_baseline(folder, "half")


def test_older_files_are_migrated(saved: Path, monkeypatch: pytest.MonkeyPatch):
    """The whole path: a file of version 0, which called verdicts `ends`, and its migration."""
    head, *tasks = [json.loads(line) for line in saved.read_text().splitlines()]
    for task in tasks:
        task["ends"] = task.pop("verdicts")
    old = [{**head, "schema_version": 0}, *tasks]
    saved.write_text("".join(json.dumps(line) + "\n" for line in old))
    with pytest.raises(LedgerError, match="no migration from schema 0"):
        read_baseline(saved)

    def rename(raw: dict) -> dict:
        renamed = []
        for task in raw["tasks"]:
            rest = {key: value for key, value in task.items() if key != "ends"}
            renamed.append({**rest, "verdicts": task["ends"]})
        return {**raw, "tasks": renamed}

    monkeypatch.setattr("harness.baselines.store.MIGRATIONS", (Migration(0, manifest=rename),))
    assert len(read_baseline(saved).tasks[0].verdicts) == 40


def test_newer_files_are_refused(saved: Path):
    saved.write_text(saved.read_text().replace('"schema_version":1}', '"schema_version":9}'))
    with pytest.raises(LedgerError, match="newer cheers-bench"):
        read_baseline(saved)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('{"', "{", "is damaged"),
        ('"verdicts":"', '"verdicts":"o', "40 ids and 41 of verdicts"),
        ('"verdicts":"o', '"verdicts":"z', "unknown verdict 'z'"),
        ('"category_names":["even","odd"]', '"category_names":[]', "a category that has no name"),
        ('"task":"toy-answers","verdicts"', '"task":"toast","verdicts"', "aren't those of"),
        ('"ids":', '"idz":', "unknown field `idz`"),
    ],
)
def test_damage_is_named(saved: Path, old: str, new: str, why: str):
    text = saved.read_text()
    assert old in text
    saved.write_text(text.replace(old, new, 1))
    with pytest.raises(LedgerError, match=why):
        read_baseline(saved)


@pytest.mark.parametrize("text", ["", "[]\n", "1\n"])
def test_other_files_are_damaged_baselines(tmp_path: Path, text: str):
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(LedgerError, match="is damaged"):
        read_baseline(tmp_path / "x")


def test_paths_that_are_neither_are_named(tmp_path: Path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(LedgerError, match="neither a run folder nor a baseline"):
            open_source(path)


def _main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["baseline", *arguments])
    return int(done.value.code or 0)


def test_the_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kept = tmp_path / "kept"
    assert _main("list", str(kept)) == 0
    assert "no baselines in" in capsys.readouterr().out
    assert _main("save", str(folder), "--name", "toy", "--to", str(kept)) == 0
    assert "3 tasks, 85 samples" in capsys.readouterr().out
    assert _main("list", str(kept)) == 0
    assert "the toy" in capsys.readouterr().out
    assert _main("show", str(kept / "toy")) == 0
    shown = capsys.readouterr().out
    assert "weights w0, float32 on cpu, seed 0" in shown
    assert "accuracy" in shown
    assert list_baselines(kept) == [kept / "toy.jsonl"]
    assert _main("show", str(kept / "nothing")) == 1
    assert "is not a baseline" in capsys.readouterr().err


def test_leaderboards_take_baselines(folder: Path, saved: Path):
    from harness.leaderboard import build_table

    one, two = (build_table([path]).rows[0].cells for path in (folder, saved))
    assert one == two
