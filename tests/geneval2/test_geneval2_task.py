"""`geneval2` end to end: a synthetic prompt file, a painter, and judges with probabilities."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from harness.adapter import ModelAdapter
from harness.cli.main import main
from harness.errors import BenchError, DataError
from harness.ledger import Ledger
from harness.records import (
    Fingerprint,
    GenerateImageRequest,
    LogLikelihoodRequest,
    ModelCard,
    Response,
    TaskResult,
    Verdict,
)
from harness.records.capability import Capability
from harness.registry import models
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.geneval2 import GenEval2
from tasks.geneval2.prompts import read_prompts

ROWS: list[dict[str, Any]] = [
    {
        "prompt": "a red cow",
        "atom_count": 2,
        "vqa_list": [["Is there a cow?", "yes"], ["What color is the cow?", "red"]],
        "skills": ["object", "attribute"],
    },
    {
        "prompt": "two green cows",
        "atom_count": 3,
        "vqa_list": [
            ["Is there a cow?", "yes"],
            ["How many cows?", "two"],
            ["What color are they?", "green"],
        ],
        "skills": ["object", "count", "attribute"],
    },
]


def _write(path: Path, rows: Sequence[dict[str, Any]] = tuple(ROWS)) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
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
    """Everything is red."""

    card = ModelCard(
        name="painter",
        summary="A toy.",
        capabilities=frozenset({Capability.GENERATE_IMAGE}),
        licence="CC0-1.0",
        source="tests",
    )

    def generate_image(self, requests: Sequence[GenerateImageRequest]) -> list[Response]:
        return [Response(image=Image.new("RGB", (8, 8), "red")) for _ in requests]


class Judge(_Model):
    """Sure of red and of yes, halved between two spellings; unsure of numbers; blind to green.

    Its tokenizer drops a leading space.
    """

    card = ModelCard(
        name="judge",
        summary="A toy.",
        capabilities=frozenset({Capability.LOGLIKELIHOOD}),
        licence="CC0-1.0",
        source="tests",
    )
    asked: ClassVar[list[str]] = []
    broken: ClassVar[float | None] = None

    def loglikelihood(self, requests: Sequence[LogLikelihoodRequest]) -> list[Response]:
        self.asked += [request.prompt for request in requests]
        return [
            Response(loglikelihoods=tuple(self._value(r, text) for text in r.continuations))
            for r in requests
        ]

    def _value(self, request: LogLikelihoodRequest, text: str) -> float:
        assert request.images[0].getpixel((0, 0)) == (255, 0, 0)
        if self.broken is not None:
            return self.broken
        word = text.strip()
        if word.lower() == "green":
            return -math.inf
        if word.isdigit():
            return math.log(0.25)
        share = 0.5 if word.lower() in ("red", "yes") else 0.125
        return math.log(share if word[0].isupper() else share * (1 - 1e-9))


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models()._added, "painter", Painter)
    monkeypatch.setitem(models()._added, "judge", Judge)
    monkeypatch.setattr(Judge, "broken", None)
    Judge.asked.clear()


def _run(tmp_path: Path, model: str = "painter", **options: Any) -> tuple[TaskResult, Path]:
    given = {"prompts": str(_write(tmp_path / "p.jsonl")), "judge": "judge"}
    args = options.pop("args", {})
    execute(
        RunSpec(
            tasks=(TaskRef(task="geneval2", options={**given, **options}),),
            model=ModelRef(name=model, args=args),
            out=str(tmp_path / "run"),
        )
    )
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    return result, tmp_path / "run"


def test_means_are_of_the_judges_probabilities(tmp_path: Path):
    result, folder = _run(tmp_path)
    values = {metric.name: metric.value for metric in result.metrics}
    assert values["am"] == pytest.approx((1 + (1 + 0.5 + 0) / 3) / 2)
    assert values["gm"] == pytest.approx((1 + 0) / 2)
    assert result.extra["skills"] == pytest.approx({"attribute": 0.5, "count": 0.5, "object": 1})
    assert result.extra["gm_by_atoms"] == pytest.approx({"2 atoms": 1, "3 atoms": 0})
    with Ledger.open(folder) as ledger:
        rows = [row.outcome for row in ledger.scored("geneval2")]
    assert [row.verdict for row in rows] == [Verdict.OK, Verdict.WRONG]
    assert rows[1].reason == "What color are they? green: 0.000"


def test_the_judge_is_asked_for_one_word(tmp_path: Path):
    _run(tmp_path)
    assert "How many cows? Answer in one word." in Judge.asked


@pytest.mark.parametrize("broken", [0.5, math.nan])
def test_numbers_that_are_no_probabilities_fail_the_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: float
):
    monkeypatch.setattr(Judge, "broken", broken)
    result, _ = _run(tmp_path)
    assert result.verdicts == {"judge_failed": 2}
    assert all(metric.value is None for metric in result.metrics)
    assert len(Judge.asked) == 5  # each atom once, although the judge failed


def test_a_judge_that_fails_on_one_image_keeps_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sane = Judge._value

    def value(self: Judge, request: LogLikelihoodRequest, text: str) -> float:
        return 1.0 if "How many" in request.prompt else sane(self, request, text)

    monkeypatch.setattr(Judge, "_value", value)
    result, folder = _run(tmp_path)
    assert result.verdicts == {"ok": 1, "judge_failed": 1}
    with Ledger.open(folder) as ledger:
        reasons = [row.outcome.reason for row in ledger.scored("geneval2")]
    assert any("the judge on 'How many cows?': 8.15" in reason for reason in reasons)


def test_a_judge_that_leaves_numbers_out_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        Judge, "loglikelihood", lambda _, requests: [Response(text="?")] * len(requests)
    )
    result, folder = _run(tmp_path)
    assert result.verdicts == {"judge_failed": 2}
    with Ledger.open(folder) as ledger:
        (first, _) = ledger.scored("geneval2")
    assert "'judge' gave None for the answers" in first.outcome.reason


def test_another_judge_template_or_file_is_another_protocol(tmp_path: Path):
    path = _write(tmp_path / "p.jsonl")
    other = _write(tmp_path / "o.jsonl", ROWS[:1])
    base = {"prompts": str(path), "judge": "judge"}
    changes: list[dict[str, Any]] = [
        {},
        {"judge": "cheers-nano"},
        {"judge_template": "{question}"},
        {"prompts": str(other)},
        {"images": 2},
    ]
    assert len({GenEval2({**base, **change}).protocol(0).hash for change in changes}) == 5
    moved = _write(tmp_path / "moved.jsonl")
    assert (
        GenEval2({**base, "prompts": str(moved)}).protocol(0).hash
        == GenEval2(base).protocol(0).hash
    )


def test_the_licence_is_shown(capsys: pytest.CaptureFixture[str]):
    assert GenEval2.metadata.dataset.licence == "CC-BY-NC-4.0"
    with pytest.raises(SystemExit):
        main(["list", "tasks"])
    (line,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("geneval2 ")]
    assert "CC-BY-NC-4.0" in line
    assert GenEval2({"judge": ""}).protocol(0).dataset.licence == "CC-BY-NC-4.0"


def test_only_the_official_file_passes_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = _write(tmp_path / "p.jsonl")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    task = GenEval2({"prompts": str(path)})
    other = task.protocol(0).dataset
    assert (other.name, other.licence, other.sha256) == ("geneval2-file", "unknown", found)
    monkeypatch.setattr("tasks.geneval2.prompts.OFFICIAL_SHA256", found)
    official = task.protocol(0).dataset
    assert (official.name, official.licence) == ("geneval2", "CC-BY-NC-4.0")


def test_a_demanded_hash_is_checked_before_anything_is_drawn(tmp_path: Path):
    path = _write(tmp_path / "p.jsonl")
    own, other = hashlib.sha256(path.read_bytes()).hexdigest(), "f" * 64
    with pytest.raises(DataError, match=f"(?s){own}.*{other}"):
        _run(tmp_path, sha256=other)
    assert not (tmp_path / "run" / "images").exists()
    _run(tmp_path, sha256=own.upper())


def test_counts_may_be_said_in_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spelled: list[str] = []
    value = Judge._value

    def note(self: Judge, request: LogLikelihoodRequest, text: str) -> float:
        spelled.append(text)
        return value(self, request, text)

    monkeypatch.setattr(Judge, "_value", note)
    _run(tmp_path)
    assert {"two", "Two", "2", " two", " Two", " 2", "yes", "Yes", " yes", " Yes"} <= set(spelled)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"prompts": ""}, "prompt file"),
        ({"judge": ""}, "no judge"),
        ({"judge": "painter"}, "no probabilities"),
        ({"judge_template": "Is it?"}, "question"),
        ({"judge_args": {"temper": 1}}, "temper"),
        ({"prompts": "none.jsonl"}, "no prompt file none.jsonl"),
        ({"prompts": "hf://models/a/b/c"}, "no file on the hub"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_drawn(
    tmp_path: Path, options: dict[str, Any], named: str
):
    with pytest.raises(BenchError, match=named):
        _run(tmp_path, **options)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({**ROWS[0], "skills": ["object"]}, "2 questions with 1 skills"),
        ({**ROWS[0], "vqa_list": [], "skills": []}, "0 questions"),
        ({**ROWS[0], "atom_count": "two"}, "atom_count"),
        ({"prompt": "x"}, "atom_count"),
        ({**ROWS[0], "vqa_list": [["a?", "b"], ["c?", " "]]}, "no answer"),
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, row: dict[str, Any], named: str):
    path = _write(tmp_path / "p.jsonl", [*ROWS, row])
    with pytest.raises(DataError, match=f"line 3: .*{named}"):
        read_prompts(path)


def test_an_empty_file_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no prompts"):
        read_prompts(_write(tmp_path / "p.jsonl", []))


def test_a_broken_line_is_named(tmp_path: Path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": ')
    with pytest.raises(DataError, match="line 1"):
        read_prompts(path)


def test_the_nano_draws_and_judges(tmp_path: Path):
    rows = [
        {
            "prompt": "a photo of a red circle",
            "atom_count": 1,
            "vqa_list": [["what color is the circle?", "red"]],
            "skills": ["attribute"],
        }
    ]
    result, folder = _run(
        tmp_path,
        "cheers-nano",
        prompts=str(_write(tmp_path / "nano.jsonl", rows)),
        judge="cheers-nano",
        judge_template="{question}",
        args={"steps": 12},
    )
    assert result.verdicts in ({"ok": 1}, {"wrong": 1})
    with Ledger.open(folder) as ledger:
        (row,) = ledger.scored("geneval2")
    (probability,) = row.outcome.details["probabilities"]
    assert 0 <= probability <= 1
