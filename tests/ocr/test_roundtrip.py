"""ocr-roundtrip: identity loses nothing, blur loses more the stronger it is, small text first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter

from harness.errors import DataError, SpecError
from harness.ledger import Ledger
from harness.records import Response, Sample, ScoredSample, TaskResult, Verdict
from harness.run import execute
from harness.runspec import ModelRef, RunSpec, TaskRef
from tasks.judges.ocr import Reading
from tasks.judges.ocr.rapid import RapidReader
from tasks.ocr.lettering import clean_render
from tasks.ocr.roundtrip import OCRRoundtrip
from tests.ocr.fakes import FakeEngine, reading
from tests.tasks.answers import values_of

SHAPES = {"engine": "classical", "world": "shapes"}


def lens(radius: float) -> Any:
    return lambda image: image.filter(ImageFilter.GaussianBlur(radius)) if radius else image


def passed(task: OCRRoundtrip, change: Any, samples: list[Sample] | None = None) -> TaskResult:
    samples = samples or list(task.samples())
    pairs = [(s, Response(image=change(task.request(s, 0).image))) for s in samples]
    outcomes = task.score_batch(pairs)
    rows = [ScoredSample(sample=s, outcome=o) for s, o in zip(samples, outcomes, strict=True)]
    return task.aggregate(rows, task.protocol(0))


# ---- with rapidocr


def test_small_text_is_lost_first(rapid: RapidReader):
    task = OCRRoundtrip({"images": 2, "side": 192})
    task._engine = rapid
    chosen = [s for s in task.samples() if s.id in ("8px-00001", "32px-00001")]
    assert [s.data["layout"] for s in chosen] == ["line", "line"]
    blurred = values_of(passed(task, lens(1.5), chosen))
    assert blurred["cer_added_8px"] > 0.3
    assert blurred["cer_added_32px"] == 0
    assert blurred["cer_before"] < 0.1
    assert blurred["cer_added"] == pytest.approx(blurred["cer_after"] - blurred["cer_before"])
    assert "cer_added_16px" not in blurred


# ---- the world's words


def test_identity_loses_nothing():
    result = passed(OCRRoundtrip({**SHAPES, "images": 8}), lens(0))
    values = values_of(result)
    assert values["cer_added"] == values["cer_after"] == values["cer_before"] == 0
    assert values["word_accuracy_after"] == values["word_accuracy_before"] == 1
    assert result.verdicts == {"ok": 8}


def test_blur_loses_more_the_stronger_it_is():
    task = OCRRoundtrip({**SHAPES, "images": 12})
    found = [values_of(passed(task, lens(radius))) for radius in (1, 3.2, 6)]
    added = [values["cer_added"] for values in found]
    assert added == sorted(added)
    assert added[0] == 0 < added[-1]
    assert {values["cer_before"] for values in found} == {0}


def test_a_tokenizer_of_its_own_size_is_read_at_the_originals():
    task = OCRRoundtrip({**SHAPES, "images": 4})
    result = passed(task, lambda image: image.resize((256, 200), Image.Resampling.LANCZOS))
    assert values_of(result)["cer_added"] == 0


def test_the_interval_is_paired_by_picture():
    """The engine errs alike before and after: no difference, no width."""
    task = OCRRoundtrip({"images": 1, "side": 128})
    task._engine = FakeEngine(lambda image: reading(str(int(image[..., 0].max()))))
    result = passed(task, lens(0))
    metrics = {metric.name: metric for metric in result.metrics}
    assert metrics["cer_after"].value > 0.5
    assert metrics["cer_added"].value == 0
    assert metrics["cer_added"].n == metrics["cer_added"].clusters == 6


# ---- verdicts


def outcome(*texts: str, target: str | None = "OPEN", **options: Any) -> Any:
    """Of a picture that is read as the first text before, as the second one after."""
    task = OCRRoundtrip({"images": 1, "side": 128, **options})
    said = iter(texts)
    task._engine = FakeEngine(lambda _: reading(*filter(None, [next(said)])))
    first = next(iter(task.samples()))
    sample = Sample(id=first.id, category=first.category, target=target, data=first.data)
    return task.score(sample, Response(image=Image.new("RGB", (128, 128))))


@pytest.mark.parametrize(
    ("before", "after", "verdict", "added"),
    [
        ("OPEN", "OPEN", Verdict.OK, 0.0),
        ("OPEN", "OPFN", Verdict.WRONG, 0.25),
        ("OPFN", "OPFN", Verdict.OK, 0.0),
        ("OPFN", "OPEN", Verdict.OK, -0.25),
        ("OPEN", "", Verdict.WRONG, 1.0),
        ("", "", Verdict.OK, 0.0),
    ],
)
def test_verdicts(before: str, after: str, verdict: Verdict, added: float):
    found = outcome(before, after)
    assert found.verdict is verdict
    assert found.scores["cer_added"] == added
    assert found.details == {"before": before, "after": after}
    assert bool(found.reason) == (verdict is Verdict.WRONG)


def test_without_a_known_text_the_reading_before_is_the_reference():
    found = outcome("OPEN", "OPFN", target=None)
    assert found.scores == {"cer_added": 0.25, "cer_after": 0.25, "word_accuracy_after": 0.0}


def test_a_picture_without_text_has_none_to_lose():
    found = outcome("", "noise", target=None)
    assert found.verdict is Verdict.OK
    assert found.scores == {}
    assert "no text" in found.reason


def test_capitals_count_where_they_are_asked_for():
    """`ZOO` and `zoo` look alike at most sizes."""
    assert outcome("ZOO", "zoo", target="ZOO").verdict is Verdict.OK
    assert outcome("ZOO", "zoo", target="ZOO", case="exact").verdict is Verdict.WRONG


@pytest.mark.parametrize("size", [(1, 1), (8000, 50), (64, 64)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_hostile_pictures_get_a_verdict(size: tuple[int, int], mode: str):
    task = OCRRoundtrip({**SHAPES, "images": 1})
    found = task.score(next(iter(task.samples())), Response(image=Image.new(mode, size)))
    assert found.verdict is Verdict.WRONG
    assert found.scores["cer_after"] == 1


def test_a_response_without_a_picture_is_refused():
    task = OCRRoundtrip({**SHAPES, "images": 1})
    with pytest.raises(ValueError, match="no picture"):
        task.score(next(iter(task.samples())), Response(text="OPEN"))


# ---- a user's folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "pictures"
    found.mkdir()
    for name in ("b.png", "a.jpg"):
        clean_render(name[0].upper(), 64, 64).save(found / name)
    (found / "notes.txt").write_text("not a picture")
    return found


def test_a_folder_is_taken_in_the_order_of_its_names(folder: Path):
    task = OCRRoundtrip({"images": str(folder)})
    samples = list(task.samples())
    assert [(s.data["file"], s.target) for s in samples] == [("a.jpg", None), ("b.png", None)]
    assert task.request(samples[1], 0).image.size == (64, 64)
    task._engine = FakeEngine(lambda _: Reading())
    result = passed(task, lens(0))
    assert any("2 pictures have no known text" in note for note in result.notes)
    assert values_of(result)["cer_added"] is None
    assert result.verdicts == {"ok": 2}


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_a_table_says_what_pictures_show(folder: Path, name: str):
    rows = [{"file_name": "b.png", "text": "Bee"}, {"file_name": "a.jpg", "text": ""}]
    lines = [json.dumps(row) for row in rows] if name.endswith("l") else ["file_name,text"]
    lines += [] if name.endswith("l") else [f"{row['file_name']},{row['text']}" for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n")
    task = OCRRoundtrip({"images": str(folder)})
    samples = list(task.samples())
    assert [(s.data["file"], s.target) for s in samples] == [("b.png", "Bee"), ("a.jpg", None)]
    assert task.request(samples[0], 0).image.size == (64, 64)


def test_a_picture_outside_the_folder_is_refused(folder: Path, tmp_path: Path):
    clean_render("X", 64, 64).save(tmp_path / "secret.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "../secret.png"}\n')
    task = OCRRoundtrip({"images": str(folder)})
    with pytest.raises(DataError):
        task.request(next(iter(task.samples())), 0)


@pytest.mark.parametrize("name", ["", "absent.png"])
def test_a_row_without_a_picture_is_named(folder: Path, name: str):
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": name, "text": "A"}) + "\n")
    with pytest.raises(DataError, match="row 0"):
        OCRRoundtrip({"images": str(folder)}).preflight()


def test_the_folders_contents_are_in_the_protocol(folder: Path):
    before = OCRRoundtrip({"images": str(folder)}).protocol(0)
    assert before.dataset.name == "ocr-pictures"
    clean_render("C", 64, 64).save(folder / "c.png")
    assert OCRRoundtrip({"images": str(folder)}).protocol(0).hash != before.hash


def test_bad_folders_and_files_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(DataError, match="there is no folder"):
        list(OCRRoundtrip({"images": str(tmp_path / "absent")}).samples())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no pictures"):
        OCRRoundtrip({"images": str(tmp_path / "empty")}).preflight()
    (folder / "a.jpg").write_bytes(b"no picture")
    task = OCRRoundtrip({"images": str(folder)})
    with pytest.raises(DataError, match=r"a\.jpg is no picture"):
        task.preflight()


# ---- options and protocol


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"images": 0}, "option 'images' is 0"),
        ({"side": 127}, "option 'side' is 127"),
        ({"side": 5000}, "option 'side' is 5000"),
        ({"world": "x"}, "unknown world"),
        ({"images": 0, "world": "shapes"}, "option 'images' is 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], fault: str):
    with pytest.raises(SpecError, match=fault):
        list(OCRRoundtrip(options).samples())


def test_fewer_pictures_are_the_first_ones():
    few, more = (list(OCRRoundtrip({"images": n}).samples()) for n in (2, 3))
    assert more[: len(few)] == few


def test_the_protocol_knows_what_matters():
    choices: list[dict[str, Any]] = [
        {},
        {"images": 3},
        {"side": 256},
        {"case": "exact"},
        {"engine": "classical"},
        {"world": "shapes"},
        {"world": "shapes", "images": 3},
    ]
    hashes = [OCRRoundtrip(options).protocol(0).hash for options in choices]
    assert len(set(hashes)) == len(hashes)
    assert OCRRoundtrip({"images": 10, "threads": 2}).protocol(0).hash == hashes[0]


# ---- through the engine


@pytest.mark.parametrize("model", ["cheers-nano", "null"])
def test_embedded_models_get_a_number(tmp_path: Path, model: str):
    ref = TaskRef(task="ocr-roundtrip", options={**SHAPES, "images": 6})
    execute(RunSpec(tasks=(ref,), model=ModelRef(name=model), out=str(tmp_path / "run")))
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
    values = values_of(result)
    assert result.total == 6
    assert values["cer_before"] == 0
    assert values["cer_added"] < 0.2
