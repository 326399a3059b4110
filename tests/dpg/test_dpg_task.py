"""`dpg-bench` end to end: a synthetic question file, models that draw and judges that answer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.errors import BenchError, DataError, SpecError
from harness.grid import cut_grid, paste_grid
from harness.ledger import Ledger
from harness.records import AnswerRequest, TaskResult, Verdict
from harness.registry import models
from tasks.dpg import DPGBench
from tasks.dpg.questions import OFFICIAL_BLOB, read_items
from tasks.dpg.task import _through_jpeg
from tests.dpg.toys import ROWS, Critic, Painter, run_dpg, write_questions


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models()._added, "painter", Painter)
    monkeypatch.setitem(models()._added, "critic", Critic)
    monkeypatch.setattr(Critic, "hesitates", "")
    Critic.asked.clear()


def _values(result: TaskResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in result.metrics}


def test_scores_follow_what_was_drawn(tmp_path: Path):
    result, folder = run_dpg(tmp_path)
    assert _values(result) == {"overall": 0.75, "perfect": 0.5}
    assert result.extra["l1"] == {"attribute": 50.0, "entity": 100.0}
    assert result.extra["l2"] == {"attribute - color": 50.0, "entity - whole": 100.0}
    with Ledger.open(folder) as ledger:
        rows = {row.sample.key: row.outcome for row in ledger.scored("dpg-bench")}
    assert rows["blue#1"].verdict is Verdict.WRONG
    assert rows["blue#1"].reason == "not yes: is it blue?"


def test_legacy_wants_the_exact_word(tmp_path: Path):
    result, _ = run_dpg(tmp_path, scorer="legacy")
    # "Yes." isn't "yes": nothing counts, and the file's first question isn't asked, so that the
    # first item's other one has no parent and its images can't be judged.
    assert result.verdicts == {"wrong": 2, "judge_failed": 2}
    assert _values(result)["overall"] == 0


def test_an_unclear_answer_is_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Critic, "hesitates", "blue")
    result, folder = run_dpg(tmp_path)
    assert result.verdicts == {"ok": 2, "judge_failed": 2}
    assert _values(result)["overall"] == 1
    with Ledger.open(folder) as ledger:
        reasons = [row.outcome.reason for row in ledger.scored("dpg-bench")]
    assert any("'hard to say', neither yes nor no" in reason for reason in reasons)


def test_another_judge_template_or_file_is_another_protocol(tmp_path: Path):
    path = write_questions(tmp_path / "q.csv")
    other = write_questions(tmp_path / "other.csv", ROWS[:2])
    base = {"questions": str(path), "judge": "critic"}
    hashes = {
        DPGBench({**base, **change}).protocol(0).hash
        for change in (
            {},
            {"judge": "cheers-nano"},
            {"judge_template": "{question} Answer yes or no."},
            {"questions": str(other)},
            {"scorer": "legacy"},
            {"preset": "cheers"},
            {"images": 1},
            {"saved_as": "jpeg"},
        )
    }
    assert len(hashes) == 8
    moved = write_questions(tmp_path / "moved.csv")
    assert (
        DPGBench({**base, "questions": str(moved)}).protocol(0).hash
        == DPGBench(base).protocol(0).hash
    )


def test_the_preset_is_in_the_request(tmp_path: Path):
    task = DPGBench({"questions": str(write_questions(tmp_path / "q.csv")), "preset": "cheers"})
    sample = next(task.samples())
    decoding = task.request(sample, 3).decoding
    assert (decoding.cfg_scale, decoding.steps, decoding.alpha) == (9.5, 250, 0.5)
    assert task.decoding() == {"cfg_scale": 9.5, "steps": 250, "alpha": 0.5}


def test_the_judge_is_asked_with_its_template(tmp_path: Path):
    run_dpg(tmp_path, judge_template="Look: {question} Yes or no?")
    assert "Look: is it red? Yes or no?" in Critic.asked


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"questions": ""}, "question file"),
        ({"judge": ""}, "no judge"),
        ({"judge": "painter"}, "doesn't answer"),
        ({"judge": "mplug"}, "mPLUG large, can't be loaded: its code is modelscope's"),
        ({"judge": "mPLUG-large:/weights"}, "mPLUG large, can't be loaded"),
        ({"judge_args": {"temper": 1}}, "temper"),
        ({"questions": "hf://dpg_bench.csv"}, "no file on the hub"),
        ({"judge_template": "Is it?"}, "question"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_drawn(
    tmp_path: Path, options: dict[str, Any], named: str
):
    with pytest.raises(BenchError, match=named):
        run_dpg(tmp_path, **options)


@pytest.mark.parametrize("option", ["preset", "scorer", "saved_as"])
def test_unknown_choices_are_refused(option: str):
    with pytest.raises(SpecError, match=option):
        DPGBench({option: "cheer"})


def test_a_file_without_a_column_is_refused(tmp_path: Path):
    path = write_questions(tmp_path / "q.csv", lacking="dependency")
    with pytest.raises(DataError, match="no column 'dependency'"):
        read_items(path, legacy=False)


def test_a_malformed_row_is_named(tmp_path: Path):
    path = write_questions(tmp_path / "q.csv", [*ROWS, ("x", "x", "one", "0", "entity", "?")])
    with pytest.raises(DataError, match="question row 5"):
        read_items(path, legacy=False)


def test_a_file_without_rows_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no questions"):
        read_items(write_questions(tmp_path / "q.csv", ()), legacy=False)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path):
    path = write_questions(tmp_path / "q.csv")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [item.name for item in read_items(path, legacy=False)] == ["red", "blue"]


def test_a_demanded_hash_is_checked_before_anything_is_drawn(tmp_path: Path):
    path = write_questions(tmp_path / "q.csv")
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    other = "0" * 64
    with pytest.raises(DataError, match=f"(?s){own}.*{other}"):
        run_dpg(tmp_path, sha256=other)
    assert not (tmp_path / "run" / "images").exists()
    result, _ = run_dpg(tmp_path, sha256=own)
    assert result.verdicts == {"ok": 2, "wrong": 2}
    protocol = DPGBench({"questions": str(path), "judge": "critic"}).protocol(0)
    assert protocol.dataset.sha256 == own


def test_only_the_official_file_passes_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_questions(tmp_path / "q.csv")
    task = DPGBench({"questions": str(path)})
    assert task.protocol(0).dataset.name == "dpg-bench-file"
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # as git names it
    assert len(OFFICIAL_BLOB) == len(blob)
    monkeypatch.setattr("tasks.dpg.questions.OFFICIAL_BLOB", blob)
    official = task.protocol(0).dataset
    assert (official.name, official.licence) == ("dpg-bench", "Apache-2.0")
    assert official.sha256 == hashlib.sha256(content).hexdigest()


def test_a_plug_in_may_bring_the_official_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(models()._added, "mplug", Critic)
    result, _ = run_dpg(tmp_path, judge="mplug")
    assert _values(result)["overall"] == 0.75


def test_an_unclear_answer_costs_no_second_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Critic, "hesitates", "blue")
    run_dpg(tmp_path)
    assert len(Critic.asked) == len(ROWS) * 2  # once for each of two images


def test_with_jpeg_the_judge_sees_what_jpeg_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[set[tuple[int, int, int]]] = []

    def look(self: Critic, request: AnswerRequest) -> str:
        seen.append(set(request.images[0].convert("RGB").get_flattened_data()))
        return "yes"

    monkeypatch.setattr(Critic, "_say", look)
    run_dpg(tmp_path, saved_as="jpeg")
    assert {(255, 0, 0)} not in seen
    assert {(254, 0, 0)} in seen


def test_the_grid_of_the_original_changes_no_pixel_and_its_jpeg_only_seams():
    rng = np.random.default_rng(3)
    pictures = [
        Image.fromarray(rng.integers(0, 256, (2, 2, 3), np.uint8)).resize((64, 64))
        for _ in range(4)
    ]
    grid = paste_grid(pictures)
    whole = _through_jpeg(grid)
    for cell, picture in enumerate(pictures):
        assert np.array_equal(np.asarray(cut_grid(grid, cell)), np.asarray(picture))
        alone, cut = np.asarray(_through_jpeg(picture)), np.asarray(cut_grid(whole, cell))
        inner = (slice(1, -1), slice(1, -1))
        assert np.array_equal(alone[inner], cut[inner])


def test_judges_of_other_weights_share_no_column(tmp_path: Path):
    path = str(write_questions(tmp_path / "q.csv"))
    protocols = [
        DPGBench({"questions": path, "judge": judge}).protocol(0)
        for judge in ("cheers-nano", "cheers-nano-untrained")
    ]
    assert all(p.judge is not None and p.judge.weights_sha256 for p in protocols)
    assert protocols[0].hash != protocols[1].hash


def test_the_nano_draws_and_judges(tmp_path: Path):
    rows = [
        ("one", "a photo of a red circle", 1, "0", "entity - whole (circle)", "is it red?"),
        ("one", "a photo of a red circle", 2, "1", "attribute", "is there a red circle?"),
        ("two", "a photo of a blue square", 1, "0", "entity - whole", "is there a red circle?"),
    ]
    options: dict[str, Any] = {
        "questions": str(write_questions(tmp_path / "nano.csv", rows)),
        "judge": "cheers-nano",
        "images": 2,
        "args": {"steps": 8},
    }
    result, folder = run_dpg(tmp_path, "cheers-nano", **options)
    assert sum(result.verdicts.values()) == result.total == 4
    assert set(result.verdicts) <= {"ok", "wrong", "judge_failed"}
    again, _ = run_dpg(tmp_path / "again", "cheers-nano", **options)
    assert again.verdicts == result.verdicts
    with Ledger.open(folder) as ledger:
        rows_scored = [row.outcome for row in ledger.scored("dpg-bench")]
    for outcome in rows_scored:
        if outcome.verdict is Verdict.JUDGE_FAILED:
            assert "neither yes nor no" in outcome.reason
        else:
            said: Any = outcome.details["answers"]
            assert {text.strip().lower() for text in said.values()} <= {"yes", "no"}
            assert 0 <= outcome.scores["score"] <= 1
    assert any(outcome.verdict.is_known for outcome in rows_scored)
