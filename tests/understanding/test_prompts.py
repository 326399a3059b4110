"""Prompts: what models are sent, character for character.

Snapshots are in tests/golden/prompts. A prompt that changes is another protocol: write another
template. To write snapshots of new ones: CHEERS_BENCH_WRITE_SNAPSHOTS=1 pytest FILE.
"""

from __future__ import annotations

import os
from pathlib import Path

import jinja2
import pytest

from harness.registry import tasks
from tasks.understanding.prompts import TEMPLATES, identify, render, source
from tests.understanding.synthetic import BENCHMARKS, write_benchmark

SNAPSHOTS = Path(__file__).parents[1] / "golden" / "prompts"
CASES = [
    (task, style)
    for task in sorted(BENCHMARKS)
    for style in tasks().get(task).benchmark.styles  # type: ignore[attr-defined]
]
NAMES = sorted(str(p.relative_to(TEMPLATES)).removesuffix(".j2") for p in TEMPLATES.rglob("*.j2"))


@pytest.mark.parametrize(("task", "style"), CASES)
def test_prompts_are_those_of_the_snapshots(task: str, style: str, tmp_path: Path):
    made = tasks().get(task)({"file": str(write_benchmark(task, tmp_path)), "prompt": style})
    prompts = [made.request(sample, 0).prompt for sample in made.samples()][:3]  # type: ignore[union-attr]
    text = "\n=====\n".join(prompts)
    snapshot = SNAPSHOTS / f"{task}.{style}.txt"
    if os.environ.get("CHEERS_BENCH_WRITE_SNAPSHOTS") and not snapshot.exists():
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(text, encoding="utf-8")
    assert snapshot.is_file(), f"no snapshot {snapshot.name}; this file's docstring says how"
    assert text == snapshot.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_template_is_named_by_version_and_used(name: str):
    assert ".v" in name
    used = {
        style.template
        for task in BENCHMARKS
        for style in tasks().get(task).benchmark.styles.values()  # type: ignore[attr-defined]
    }
    assert name in used or name.startswith("judge/")


def test_a_template_asks_for_all_it_names():
    with pytest.raises(jinja2.UndefinedError, match="hint"):
        render("vlmevalkit/choice.v1", {"question": "Why?", "options": []})


def test_the_hash_covers_what_is_included(monkeypatch: pytest.MonkeyPatch):
    from tasks.understanding import prompts

    before = identify("cheers/choice.v1")
    original = source

    def changed(name: str) -> str:
        text = original(name)
        return text + " " if name == "vlmevalkit/choice.v1" else text

    monkeypatch.setattr(prompts, "source", changed)
    assert identify("cheers/choice.v1") != before


def test_chinese_questions_have_chinese_endings():
    values = {"question": "图里有什么", "hint": "", "options": [("A", "猫"), ("B", "狗")]}
    assert render("cheers/choice.v1", values).endswith("\n请直接回答选项字母。")
    values["question"] = "What is there?"
    values["options"] = [("A", "cat")]
    assert render("cheers/choice.v1", values).endswith("choices directly.")


def test_a_template_in_a_question_is_text():
    values = {"question": "{{ 7 * 7 }} {% include 'x' %}"}
    assert render("vlmevalkit/question.v1", values) == values["question"]
