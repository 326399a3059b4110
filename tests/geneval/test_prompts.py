"""GenEval's prompts come out of our generator byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import DataError, SpecError
from tasks.geneval.prompt_sets import LONG_SHA256, DrawnPrompts, FilePrompts, LongPrompts
from tasks.geneval.prompts import (
    OFFICIAL_SHA256,
    as_line,
    file_sha256,
    generate_prompts,
    main,
    write_prompts,
)
from tasks.judges.coco import COCO_CLASSES, GENEVAL_CLASSES
from tasks.scoring.geneval import COLORS, parse_prompt

GOLDEN = Path(os.environ.get("CHEERS_BENCH_GOLDEN", Path(__file__).parents[1] / "golden"))
RECORDED = GOLDEN / "scoring" / "geneval_prompts.json"
LONG_LINE = {"tag": "single_object", "include": [{"class": "cow", "count": 1}], "prompt": "A cow."}


@pytest.fixture(scope="module")
def recorded() -> dict[str, object]:
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} isn't there")
    return json.loads(RECORDED.read_text())


def test_the_official_file_byte_for_byte(recorded: dict, tmp_path: Path):
    records = generate_prompts(recorded["seed"], recorded["num_prompts"])
    sha256 = write_prompts(tmp_path / "p.jsonl", records)
    assert sha256 == recorded["sha256"]["evaluation_metadata.jsonl"]
    assert sha256 == hashlib.sha256((tmp_path / "p.jsonl").read_bytes()).hexdigest()
    assert len(records) == recorded["lines"]
    assert Counter(record["tag"] for record in records) == recorded["per_tag"]
    prompts = "".join(f"{record['prompt']}\n" for record in records)
    assert (
        hashlib.sha256(prompts.encode()).hexdigest() == recorded["sha256"]["generation_prompts.txt"]
    )


def test_names_and_order_of_the_classes(recorded: dict):
    assert list(GENEVAL_CLASSES) == recorded["class_names_in_detector_order"]
    assert list(COLORS) == recorded["colors"]
    assert len(set(COCO_CLASSES)) == 80
    assert [a for a, b in zip(COCO_CLASSES, GENEVAL_CLASSES, strict=True) if a != b] == [
        "mouse",
        "remote",
        "keyboard",
    ]


def test_recorded_hashes_are_ours(recorded: dict):
    assert recorded["sha256"]["evaluation_metadata.jsonl"] == OFFICIAL_SHA256
    assert recorded["sha256"]["evaluation_metadata_long.jsonl"] == LONG_SHA256


@pytest.mark.parametrize(("seed", "n"), [(0, 1), (7, 40), (43, 99)])
def test_other_sizes_and_seeds(seed: int, n: int):
    records = generate_prompts(seed, n)
    assert records == generate_prompts(seed, n)
    assert file_sha256(records) != OFFICIAL_SHA256
    lines = [as_line(record) for record in records]
    assert len(set(lines)) == len(lines)
    counts = Counter(record["tag"] for record in records)
    assert counts.pop("single_object") == 80
    assert len(counts) == 5
    assert all(0 < count <= n for count in counts.values())
    for record in records:
        parse_prompt(record, classes=GENEVAL_CLASSES)
        assert record["tag"] != "colors" or record["include"][0]["class"] != "person"


@pytest.mark.parametrize(("seed", "n"), [(0, 0), (-1, 5)])
def test_impossible_sets_are_refused(seed: int, n: int):
    with pytest.raises(SpecError, match="can't draw"):
        generate_prompts(seed, n)


def test_a_numpy_that_draws_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tasks.geneval.prompt_sets.generate_prompts", lambda *_: [LONG_LINE])
    with pytest.raises(DataError, match="doesn't draw GenEval's official prompts"):
        DrawnPrompts().specs(GENEVAL_CLASSES, COLORS)


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(["--out", str(tmp_path / "p.jsonl")])
    assert "553 prompts" in capsys.readouterr().out
    main(["--out", str(tmp_path / "q.jsonl"), "--n", "3", "--seed", "1"])
    assert "not the official set" in capsys.readouterr().out
    assert len((tmp_path / "q.jsonl").read_text().splitlines()) > 80


def test_the_module_is_a_command(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "tasks.geneval.prompts", "--out", str(tmp_path / "p.jsonl")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "(the official set)" in done.stdout
    assert done.stderr == ""


def _file(folder: Path, *lines: str) -> str:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def _line(**changes: object) -> str:
    return json.dumps({**LONG_LINE, **changes})


@pytest.mark.parametrize(
    ("bad", "said", "remedy"),
    [
        (_line(include=[{"class": "cwo", "count": 1}]), "unknown class 'cwo'", "'cow'"),
        (_line(include=[{"class": "cow", "count": 0}]), ">= 1", "count >= 1"),
        (_line()[:-5], "not a GenEval record", "each record needs"),
        (_line(tga="x"), "unknown field `tga`", "each record needs"),
        (_line(include=[{"class": "cow", "count": 1, "color": "rad"}]), "color 'rad'", "'red'"),
        ("[]", "not a GenEval record", "each record needs"),
    ],
)
def test_a_bad_line_is_named_with_a_remedy(tmp_path: Path, bad: str, said: str, remedy: str):
    prompts = FilePrompts(_file(tmp_path, _line(), "", bad))
    with pytest.raises(SpecError) as caught:
        list(prompts.specs(GENEVAL_CLASSES))
    assert "mine.jsonl, line 3" in caught.value.what
    assert said in caught.value.what
    assert remedy in caught.value.remedy


def test_a_file_is_known_by_its_contents_not_its_path(tmp_path: Path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.mkdir()
    other.mkdir()
    same = [FilePrompts(_file(folder, _line())).dataset() for folder in (one, other)]
    assert same[0] == same[1]
    changed = FilePrompts(_file(other, _line(prompt="A bull."))).dataset()
    assert changed.sha256 != same[0].sha256


def test_files_that_are_not_there_or_not_text(tmp_path: Path):
    with pytest.raises(DataError, match=r"no prompt file .*none\.jsonl"):
        FilePrompts(str(tmp_path / "none.jsonl")).dataset()
    (tmp_path / "latin.jsonl").write_bytes(_line(prompt="kuh").encode().replace(b"kuh", b"k\xfc"))
    with pytest.raises(DataError, match="isn't UTF-8"):
        list(FilePrompts(str(tmp_path / "latin.jsonl")).specs())
    with pytest.raises(SpecError, match="no file on the hub"):
        FilePrompts("hf://models/x").dataset()


def test_the_long_set_is_only_the_original_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(DataError, match="needs its prompt file") as caught:
        LongPrompts("").check()
    assert LONG_SHA256 in caught.value.remedy
    path = _file(tmp_path, _line())
    with pytest.raises(DataError, match="isn't the long prompt set") as caught:
        list(LongPrompts(path).specs())
    assert "geneval.prompts=FILE" in caught.value.remedy
    ours = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    monkeypatch.setattr("tasks.geneval.prompt_sets.LONG_SHA256", ours)
    assert [spec.prompt for spec in LongPrompts(path).specs()] == ["A cow."]


def test_the_original_long_file_where_it_is_at_hand():
    beside = Path(os.environ.get("CHEERS_BENCH_GENEVAL_LONG", ""))
    if not beside.is_file():
        pytest.skip("CHEERS_BENCH_GENEVAL_LONG names no file")
    long = list(LongPrompts(str(beside)).specs(GENEVAL_CLASSES))
    short = list(DrawnPrompts().specs(GENEVAL_CLASSES, COLORS))
    assert [spec.include for spec in long] == [spec.include for spec in short]
    assert all(a.prompt != b.prompt for a, b in zip(long, short, strict=True))
