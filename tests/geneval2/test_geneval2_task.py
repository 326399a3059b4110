"""`geneval2` end to end: a synthetic prompt file, a painter, and judges with probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from harness.adapter import ModelAdapter
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
    """Knows red for certain, halves everything else between two spellings."""

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
        if text.lower() == "green":
            return -math.inf
        return math.log(0.5) if text.lower() in ("red", "yes") else math.log(0.125)


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
    assert values["am"] == pytest.approx((1 + (1 + 0.25 + 0) / 3) / 2)
    assert values["gm"] == pytest.approx((1 + 0) / 2)
    assert result.extra["skills"] == pytest.approx({"attribute": 0.5, "count": 0.25, "object": 1})
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


def test_the_licence_is_shown():
    assert GenEval2.metadata.dataset.licence == "CC-BY-NC-4.0"
    assert "non-commercial" in GenEval2.metadata.summary


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"prompts": ""}, "prompt file"),
        ({"judge": ""}, "no judge"),
        ({"judge": "painter"}, "no probabilities"),
        ({"judge_template": "Is it?"}, "question"),
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
    ],
)
def test_malformed_lines_are_named(tmp_path: Path, row: dict[str, Any], named: str):
    path = _write(tmp_path / "p.jsonl", [*ROWS, row])
    with pytest.raises(DataError, match=f"line 3: .*{named}"):
        read_prompts(path)


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
