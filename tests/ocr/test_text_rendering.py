"""text-rendering: neat pictures score near 1, blurred and misspelt ones less."""

from __future__ import annotations

import json
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.errors import DataError, SpecError
from harness.ledger import Ledger, read_manifest
from harness.records import Response, Sample, ScoredSample, TaskResult, Verdict
from harness.registry import models
from harness.run import execute, rescore
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.judges.ocr import EngineChoice, Reading
from tasks.judges.ocr.rapid import RapidReader
from tasks.ocr.text_rendering import TextRendering
from tasks.ocr.world import world_word
from tests.ocr.artists import Hand, Painter, blurred, misspelt, neat
from tests.ocr.fakes import FakeEngine, reading
from tests.tasks.answers import values_of

SIDE = 160
READ = ("long_word", "sentence", "digits")
"""Kinds that rapidocr reads here; a read takes a third of a second."""
SHAPES = {"engine": "classical", "world": "shapes"}


def faked(rule: Any, **options: Any) -> TextRendering:
    task = TextRendering({"prompts": 1, "images": 1, **options})
    task._engine = FakeEngine(rule)
    return task


def drawn(task: TextRendering, hand: Hand, kinds: Collection[str] = ()) -> TaskResult:
    samples = [s for s in task.samples() if not kinds or s.category in kinds]
    pairs = [(sample, Response(image=hand(str(sample.target)))) for sample in samples]
    outcomes = task.score_batch(pairs)
    rows = [ScoredSample(sample=s, outcome=o) for s, o in zip(samples, outcomes, strict=True)]
    return task.aggregate(rows, task.protocol(0))


# ---- with rapidocr


@pytest.fixture(scope="module")
def task(rapid: RapidReader) -> TextRendering:
    """One prompt of each kind; the readings of clean renders are kept between tests."""
    task = TextRendering({"prompts": 1, "images": 1})
    task._engine = rapid
    return task


@pytest.fixture(scope="module")
def perfect(task: TextRendering) -> TaskResult:
    return drawn(task, neat(SIDE), READ)


def test_a_perfect_model_scores_near_one(perfect: TaskResult):
    values = values_of(perfect)
    assert values["word_accuracy"] > 0.95
    assert values["exact"] == values["exact_cased"] > 0.8
    assert values["cer"] < 0.05
    assert {name for name in values if name.startswith("word_accuracy_")} == {
        f"word_accuracy_{kind}" for kind in READ
    }


def test_the_ceiling_is_the_engines_own_score_on_the_same_texts(perfect: TaskResult):
    values = values_of(perfect)
    assert values["ceiling_word_accuracy"] == values["word_accuracy"]
    assert values["ceiling_cer"] == values["cer"]
    assert perfect.extra["engine_ceiling"]["ceiling_cer"] == values["cer"]
    assert any("engine ceiling: rapidocr reads" in note for note in perfect.notes)


def test_scores_fall_with_blur_and_the_ceiling_stays(task: TextRendering, perfect: TaskResult):
    found = [perfect, *(drawn(task, blurred(SIDE, radius), READ) for radius in (4, 12))]
    accuracies = [values_of(result)["word_accuracy"] for result in found]
    rates = [values_of(result)["cer"] for result in found]
    assert accuracies == sorted(accuracies, reverse=True)
    assert rates == sorted(rates)
    assert accuracies[0] > accuracies[-1]
    assert {values_of(result)["ceiling_cer"] for result in found} == {values_of(perfect)["cer"]}


def test_misspelling_costs_the_word_and_few_characters(task: TextRendering, perfect: TaskResult):
    values = values_of(drawn(task, misspelt(SIDE), READ))
    assert values["exact"] == 0
    assert values["word_accuracy"] < values_of(perfect)["word_accuracy"] - 0.4
    assert 0 < values["cer"] < 0.5


# ---- verdicts


@pytest.mark.parametrize(
    ("read", "verdict", "reason"),
    [
        (("FROG",), Verdict.OK, ""),
        (("frog", "pond"), Verdict.WRONG, "asked for 'Frog'; the engine read 'frog\\npond'"),
        ((), Verdict.WRONG, "asked for 'Frog'; the engine found no text"),
    ],
)
def test_verdicts(read: tuple[str, ...], verdict: Verdict, reason: str):
    task = faked(lambda _: reading(*read))
    sample = Sample(id="0", target="Frog", category="short_word", data={"prompt": "a frog"})
    outcome = task.score(sample, Response(image=Image.new("RGB", (8, 8))))
    assert outcome.verdict is verdict
    assert outcome.reason == reason
    assert outcome.details["read"] == "\n".join(read)
    assert len(outcome.details["boxes"]) == len(read)


def test_capitals_count_where_they_are_asked_for():
    sample = Sample(id="0", target="Frog", data={"prompt": "a frog"})
    response = Response(image=Image.new("RGB", (8, 8)))
    loose = faked(lambda _: reading("FROG")).score(sample, response)
    strict = faked(lambda _: reading("FROG"), case="exact").score(sample, response)
    assert (loose.scores["exact"], loose.scores["exact_cased"]) == (1, 0)
    assert strict.verdict is Verdict.WRONG
    assert strict.scores["word_accuracy"] == 0
    with pytest.raises(SpecError, match="unknown case 'upper'"):
        faked(lambda _: reading("FROG"), case="upper").score(sample, response)


def test_pictures_of_a_batch_and_their_renders_are_read_together_and_once():
    task = faked(lambda _: Reading(), images=3)
    pairs = [(s, Response(image=Image.new("RGB", (40, 40)))) for s in islice(task.samples(), 6)]
    task.score_batch(pairs)
    task.score_batch(pairs)
    assert task._engine.batches == [6 + 2, 6]  # two texts


def test_batches_change_nothing():
    task = faked(lambda image: reading(str(int(image.sum()))))
    pairs = [
        (sample, Response(image=Image.new("RGB", (40 + n, 40), (n, 9, 9))))
        for n, sample in enumerate(task.samples())
    ]
    assert task.score_batch(pairs) == [
        faked(task._engine.rule).score(sample, response) for sample, response in pairs
    ]


def test_texts_that_the_font_lacks_have_no_ceiling(tmp_path: Path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "a", "text": "开"}\n{"prompt": "b", "text": "b"}\n')
    result = drawn(faked(lambda _: reading("b"), prompts=str(path)), lambda _: world_word("HAT"))
    values = {metric.name: metric for metric in result.metrics}
    assert (values["cer"].n, values["ceiling_cer"].n) == (2, 1)
    assert any("leaves out 1 pictures" in note for note in result.notes)
    assert result.extra["word_accuracy_by_category"] == {"file": 0.5}


def test_a_response_without_a_picture_is_refused():
    task = faked(lambda _: Reading())
    with pytest.raises(ValueError, match="no picture"):
        task.score(next(task.samples()), Response(text="OPEN"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "CMYK", "I;16", "PA"])
def test_pictures_of_any_mode_are_read_as_seen(mode: str):
    seen = []
    task = faked(lambda image: seen.append(image) or Reading())
    picture = Image.new(mode, (20, 10))
    task.score(next(task.samples()), Response(image=picture))
    assert seen[0].shape == (10, 20, 3)


def test_transparent_paper_is_white():
    seen = []
    task = faked(lambda image: seen.append(image) or Reading())
    task.score(next(task.samples()), Response(image=Image.new("RGBA", (20, 10), (0, 0, 0, 0))))
    assert seen[0].min() == 255


@pytest.mark.parametrize("size", [(1, 1), (8000, 50), (3, 900)])
def test_hostile_pictures_get_a_verdict(size: tuple[int, int]):
    task = TextRendering(SHAPES)
    outcome = task.score(next(task.samples()), Response(image=Image.new("RGB", size)))
    assert outcome.verdict is Verdict.WRONG
    assert outcome.scores["cer"] == 1


# ---- options and protocol


@pytest.mark.parametrize("value", [0, -1])
def test_a_task_of_nothing_is_refused(value: int):
    for option in ("prompts", "images"):
        with pytest.raises(SpecError, match=f"option '{option}' is {value}"):
            list(TextRendering({option: value}).samples())


def test_worlds_and_engines_have_names():
    with pytest.raises(SpecError, match="unknown world 'txt'"):
        list(TextRendering({"world": "txt"}).samples())
    with pytest.raises(SpecError, match="unknown OCR engine 'x'"):
        TextRendering({"engine": "x"}).preflight()


def test_the_protocol_knows_engine_case_world_and_prompts(tmp_path: Path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "a", "text": "b"}\n')
    choices = [
        {},
        {"case": "exact"},
        {"engine": "classical"},
        {"world": "shapes"},
        {"prompts": 3},
        {"prompt_seed": 1},
        {"prompts": str(path)},
    ]
    hashes = [TextRendering(options).protocol(0).hash for options in choices]
    assert len(set(hashes)) == len(hashes)
    assert TextRendering({"threads": 2}).protocol(0).hash == hashes[0]
    assert TextRendering({"prompts": 20}).protocol(0).hash == hashes[0]


def test_preflight_finds_a_bad_file_before_the_model_is_asked(tmp_path: Path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "a", "text": "b"}\n{}\n')
    with pytest.raises(SpecError, match="line 2"):
        TextRendering({"prompts": str(path)}).preflight()
    with pytest.raises(DataError, match="is asked for"):
        TextRendering({"prompts": str(path), "sha256": "0" * 64}).preflight()


def test_images_of_a_prompt_are_one_cluster():
    samples = list(TextRendering({"prompts": 2, "images": 3}).samples())
    assert len({sample.key for sample in samples}) == len(samples) == 36
    assert len({sample.cluster_id for sample in samples}) == 12


# ---- through the engine


def run(folder: Path, model: str, options: dict[str, Any], **args: Any) -> TaskResult:
    ref = TaskRef(task="text-rendering", options=options)
    execute(RunSpec(tasks=(ref,), model=ModelRef(name=model, args=args), out=str(folder)))
    with Ledger.open(folder) as ledger:
        (result,) = ledger.results()
    return result


@pytest.mark.parametrize(("model", "args"), [("cheers-nano", {"steps": 2}), ("null", {})])
def test_embedded_models_get_a_number(tmp_path: Path, model: str, args: dict[str, Any]):
    result = run(tmp_path / "run", model, {**SHAPES, "prompts": 3, "images": 2}, **args)
    values = values_of(result)
    assert result.total == 6
    assert set(result.verdicts) <= {"ok", "wrong"}
    assert 0 <= values["word_accuracy"] <= 1
    assert values["ceiling_word_accuracy"] == 1
    assert not any(name.startswith("word_accuracy_") for name in values)
    (plan,) = read_manifest(tmp_path / "run").tasks
    assert plan.protocol.judge.id == "classical-reader"


def test_a_model_that_draws_the_worlds_words_is_perfect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Painter, "hand", staticmethod(world_word))
    monkeypatch.setitem(models()._added, "painter", Painter)
    result = run(tmp_path / "run", "painter", {**SHAPES, "prompts": 4, "images": 1})
    assert result.verdicts == {"ok": 4}
    assert values_of(result)["exact_cased"] == 1
    rescore(str(tmp_path / "run"))
    with Ledger.open(tmp_path / "run") as ledger:
        assert list(ledger.results()) == [result]


class Breaks:
    """An engine that breaks on every picture of one size."""

    def identity(self) -> Any:
        return EngineChoice("classical").identity()

    def read(self, images: Any) -> list[Reading]:
        if any(image.shape[0] == 65 for image in images):
            raise RuntimeError("the engine is on fire")
        return [reading("HAT") for _ in images]


def test_an_engine_that_breaks_leaves_one_picture_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = next(iter(TextRendering(SHAPES).samples())).target

    def hand(text: str) -> Image.Image:
        side = 65 if text == first else 64
        return Image.new("RGB", (side, side))

    monkeypatch.setattr(Painter, "hand", staticmethod(hand))
    monkeypatch.setitem(models()._added, "painter", Painter)
    monkeypatch.setattr(EngineChoice, "load", lambda self: Breaks())
    result = run(tmp_path / "run", "painter", {**SHAPES, "prompts": 3, "images": 1})
    assert result.verdicts["judge_failed"] == 1
    assert result.total == 3
    with Ledger.open(tmp_path / "run") as ledger:
        failed = [
            row.outcome
            for row in ledger.scored("text-rendering")
            if row.outcome.verdict is Verdict.JUDGE_FAILED
        ]
    assert "the engine is on fire" in failed[0].reason
    assert failed[0].scores == {}


def test_a_users_file_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from harness.cli.main import main

    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": 'the word "HAT"', "text": "HAT"}) + "\n")
    pairs = [f"text-rendering.prompts={path}", "text-rendering.engine=classical"]
    options = [part for pair in pairs for part in ("--task-option", pair)]
    command = ["run", "--task", "text-rendering", "--model", "null", "--out", str(tmp_path / "r")]
    with pytest.raises(SystemExit) as caught:
        main([*command, *options])
    assert not caught.value.code
    assert "word_accuracy" in capsys.readouterr().out
