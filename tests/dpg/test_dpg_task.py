"""`dpg-bench` end to end: a synthetic question file, models that draw and judges that answer."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from harness.adapter import ModelAdapter
from harness.errors import BenchError, DataError, SpecError
from harness.ledger import Ledger
from harness.records import (
    AnswerRequest,
    Fingerprint,
    GenerateImageRequest,
    ModelCard,
    Response,
    TaskResult,
    Verdict,
)
from harness.records.capability import Capability
from harness.registry import models
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.dpg import DPGBench
from tasks.dpg.questions import read_items

COLUMNS = (
    *("item_id", "text", "keywords", "proposition_id", "dependency"),
    *("category_broad", "category_detailed", "tuple", "question_natural_language"),
)
ROWS = [
    ("red", "a red circle", 1, "0", "entity - whole (circle)", "is there a circle?"),
    ("red", "a red circle", 2, "1", "attribute - color (circle, red)", "is it red?"),
    ("blue", "a blue square", 1, "0", "entity - whole (square)", "is there a circle?"),
    ("blue", "a blue square", 2, "1", "attribute - color (square, blue)", "is it blue?"),
]


def _write(path: Path, rows: Sequence[tuple[Any, ...]] = ROWS, lacking: str = "") -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [name for name in COLUMNS if name != lacking])
        writer.writeheader()
        for item, text, number, dependency, kind, question in rows:
            row = {
                "item_id": item,
                "text": text,
                "proposition_id": number,
                "dependency": dependency,
                "tuple": kind,
                "question_natural_language": question,
            }
            writer.writerow({name: value for name, value in row.items() if name != lacking})
    return path


class _Model(ModelAdapter):
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model=self.card.name,
            adapter="tests",
            code_version="1",
            weights_sha256=None,
            config={},
            defaults={},
            dtype="float32",
            device="cpu",
        )


class Painter(_Model):
    """Fills the image with the colour that the prompt names."""

    card = ModelCard(
        name="painter",
        summary="A toy.",
        capabilities=frozenset({Capability.GENERATE_IMAGE}),
        licence="CC0-1.0",
        source="tests",
    )

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        return [
            Response(image=Image.new("RGB", (8, 8), "red" if "red" in r.prompt else "green"))
            for r in requests
        ]


class Critic(_Model):
    """Sees a circle everywhere, and knows colours; hesitates where it's told to."""

    card = ModelCard(
        name="critic",
        summary="A toy.",
        capabilities=frozenset({Capability.ANSWER}),
        licence="CC0-1.0",
        source="tests",
    )
    asked: ClassVar[list[str]] = []
    hesitates: ClassVar[str] = ""

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        return [Response(text=self._say(request)) for request in requests]

    def _say(self, request: AnswerRequest) -> str:
        self.asked.append(request.prompt)
        (image,) = request.images
        if self.hesitates and self.hesitates in request.prompt:
            return "hard to say"
        if "circle" in request.prompt:
            return "Yes."
        red = image.getpixel((0, 0)) == (255, 0, 0)
        return "yes" if red == ("red" in request.prompt) and red else "no"


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models()._added, "painter", Painter)
    monkeypatch.setitem(models()._added, "critic", Critic)
    monkeypatch.setattr(Critic, "hesitates", "")


def _run(tmp_path: Path, model: str = "painter", **options: Any) -> tuple[TaskResult, Path]:
    given = {"questions": str(_write(tmp_path / "q.csv")), "images": 2, "judge": "critic"}
    args = options.pop("args", {})
    spec = RunSpec(
        tasks=(TaskRef(task="dpg-bench", options={**given, **options}),),
        model=ModelRef(name=model, args=args),
        out=str(tmp_path / "run"),
    )
    execute(spec)
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    return result, tmp_path / "run"


def _values(result: TaskResult) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in result.metrics}


def test_scores_follow_what_was_drawn(tmp_path: Path):
    result, folder = _run(tmp_path)
    assert _values(result) == {"overall": 0.75, "perfect": 0.5}
    assert result.extra["l1"] == {"attribute": 50.0, "entity": 100.0}
    assert result.extra["l2"] == {"attribute - color": 50.0, "entity - whole": 100.0}
    with Ledger.open(folder) as ledger:
        rows = {row.sample.key: row.outcome for row in ledger.scored("dpg-bench")}
    assert rows["blue#1"].verdict is Verdict.WRONG
    assert rows["blue#1"].reason == "not yes: is it blue?"


def test_legacy_wants_the_exact_word(tmp_path: Path):
    result, _ = _run(tmp_path, scorer="legacy")
    # "Yes." isn't "yes": nothing counts, and the file's first question isn't asked, so that the
    # first item's other one has no parent and its images can't be judged.
    assert result.verdicts == {"wrong": 2, "judge_failed": 2}
    assert _values(result)["overall"] == 0


def test_an_unclear_answer_is_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Critic, "hesitates", "blue")
    result, folder = _run(tmp_path)
    assert result.verdicts == {"ok": 2, "judge_failed": 2}
    assert _values(result)["overall"] == 1
    with Ledger.open(folder) as ledger:
        reasons = [row.outcome.reason for row in ledger.scored("dpg-bench")]
    assert any("'hard to say', neither yes nor no" in reason for reason in reasons)


def test_another_judge_template_or_file_is_another_protocol(tmp_path: Path):
    path = _write(tmp_path / "q.csv")
    other = _write(tmp_path / "other.csv", ROWS[:2])
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
        )
    }
    assert len(hashes) == 7
    moved = _write(tmp_path / "moved.csv")
    assert (
        DPGBench({**base, "questions": str(moved)}).protocol(0).hash
        == DPGBench(base).protocol(0).hash
    )


def test_the_preset_is_in_the_request(tmp_path: Path):
    task = DPGBench({"questions": str(_write(tmp_path / "q.csv")), "preset": "cheers"})
    sample = next(task.samples())
    decoding = task.request(sample, 3).decoding
    assert (decoding.cfg_scale, decoding.steps, decoding.alpha) == (9.5, 250, 0.5)
    assert task.decoding() == {"cfg_scale": 9.5, "steps": 250, "alpha": 0.5}


def test_the_judge_is_asked_with_its_template(tmp_path: Path):
    Critic.asked.clear()
    _run(tmp_path, judge_template="Look: {question} Yes or no?")
    assert "Look: is it red? Yes or no?" in Critic.asked


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"questions": ""}, "question file"),
        ({"judge": ""}, "no judge"),
        ({"judge": "painter"}, "doesn't answer"),
        ({"judge": "mplug"}, "mPLUG"),
        ({"judge_template": "Is it?"}, "question"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_drawn(
    tmp_path: Path, options: dict[str, Any], named: str
):
    with pytest.raises(BenchError, match=named):
        _run(tmp_path, **options)


@pytest.mark.parametrize("option", ["preset", "scorer"])
def test_unknown_choices_are_refused(option: str):
    with pytest.raises(SpecError, match=option):
        DPGBench({option: "cheer"})


def test_a_file_without_a_column_is_refused(tmp_path: Path):
    path = _write(tmp_path / "q.csv", lacking="dependency")
    with pytest.raises(DataError, match="no column 'dependency'"):
        read_items(path, legacy=False)


def test_a_malformed_row_is_named(tmp_path: Path):
    path = _write(tmp_path / "q.csv", [*ROWS, ("x", "x", "one", "0", "entity", "?")])
    with pytest.raises(DataError, match="question row 5"):
        read_items(path, legacy=False)


def test_the_nano_draws_and_judges(tmp_path: Path):
    result, folder = _run(
        tmp_path, "cheers-nano", judge="cheers-nano", images=1, scorer="legacy", args={"steps": 3}
    )
    assert result.total == 2
    with Ledger.open(folder) as ledger:
        answers = [row.outcome.details for row in ledger.scored("dpg-bench")]
    assert any(details.get("answers") for details in answers)
