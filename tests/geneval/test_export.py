"""The official layout in both directions, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from harness.cli.main import main
from harness.errors import SpecError
from harness.media import read_origin
from tasks.geneval.export import export_geneval
from tasks.geneval.prompts import as_line, generate_prompts
from tests.geneval.fakes import (
    RECORDS,
    CodeColors,
    CodeDetector,
    installed,
    official_folder,
    outcomes_of,
    prompt_file,
    result_of,
    run_geneval,
)

Cheers = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cheers(capsys: pytest.CaptureFixture[str]) -> Cheers:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


@pytest.fixture(autouse=True)
def judges(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch, CodeDetector(), CodeColors()):
        yield


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return prompt_file(tmp_path)


@pytest.fixture
def run(tmp_path: Path, prompts: Path) -> Path:
    """A run over a folder in which one image is missing."""
    folder = official_folder(tmp_path / "images")
    (folder / "00001" / "samples" / "00001.png").unlink()
    run_geneval(tmp_path / "run", "recorded", folder, prompts)
    return tmp_path / "run"


def test_out_and_in_again_gives_the_same_verdicts(cheers: Cheers, run: Path, prompts: Path):
    target = run.parent / "exported"
    code, out, err = cheers("export", run, "--format", "geneval", "--out", target)
    assert code == 0, err
    assert f"{target}: 9 images; 1 samples have no image" in out
    code, out, err = cheers(
        *("score", target, "--task", "geneval", "--out", run.parent / "again", "--label", "again"),
        *("--task-option", f"prompts={prompts}", "--task-option", "images=2"),
    )
    assert code == 0, err
    assert "again: complete" in out
    assert "incomplete (9/10)" in out
    assert outcomes_of(run.parent / "again") == outcomes_of(run)
    assert result_of(run.parent / "again").metrics == result_of(run).metrics


def test_the_layout_is_the_official_one(run: Path):
    target = run.parent / "exported"
    export_geneval(run, target)
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert files == {f"{i:05d}/metadata.jsonl" for i in range(5)} | {
        f"{i:05d}/samples/{k:05d}.png" for i in range(5) for k in range(2) if (i, k) != (1, 1)
    }
    for index, record in enumerate(RECORDS):
        text = (target / f"{index:05d}" / "metadata.jsonl").read_text()
        assert json.loads(text) == record
    origin = read_origin(target / "00002" / "samples" / "00001.png")
    assert (origin.task, origin.sample, origin.k) == ("geneval", "00002", 1)
    assert not list(run.parent.glob(".*tmp"))


def test_metadata_are_the_official_lines(tmp_path: Path):
    """What a run stores of a prompt gives back the line it was read from, key for key."""
    wanted = [r for r in generate_prompts() if r["tag"] in ("counting", "position")][::23]
    prompts = prompt_file(tmp_path, wanted)
    run_geneval(tmp_path / "run", "null", None, prompts, images=1)
    export_geneval(tmp_path / "run", tmp_path / "out")
    written = [path.read_text() for path in sorted(tmp_path.glob("out/*/metadata.jsonl"))]
    assert written == [as_line(record) for record in wanted]


def test_without_a_place_it_goes_into_the_run_folder(run: Path):
    assert str(run / "geneval") in export_geneval(run, None)
    assert (run / "geneval" / "00000" / "metadata.jsonl").is_file()


def test_a_place_that_holds_something_is_refused(cheers: Cheers, run: Path, tmp_path: Path):
    target = tmp_path / "full"
    target.mkdir()
    (target / "mine.txt").write_text("x")
    code, _, err = cheers("export", run, "--format", "geneval", "--out", target)
    assert code == 2
    assert "isn't empty" in err
    assert [path.name for path in target.iterdir()] == ["mine.txt"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert cheers("export", run, "--format", "geneval", "--out", empty)[0] == 0


def test_runs_of_other_tasks_are_refused(cheers: Cheers, tmp_path: Path):
    cheers(
        *("run", "--task", "shapes-mmbench", "--limit", 4, "--model", "null"),
        *("--out", tmp_path / "r"),
    )
    with pytest.raises(SpecError, match=r"no task of .* has GenEval's prompts: shapes-mmbench"):
        export_geneval(tmp_path / "r", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_formats_come_with_a_suggestion(cheers: Cheers, run: Path):
    code, _, err = cheers("export", run, "--format", "genevl")
    assert code == 2
    assert "'geneval'" in err


def test_a_damaged_picture_is_not_exported(run: Path, tmp_path: Path):
    path = run / "images" / "geneval" / "00000_0.png"
    path.write_bytes(path.read_bytes()[:-5])
    assert "8 images; 2 samples have no image" in export_geneval(run, tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "geneval"], "takes one folder of images and --out"),
        (["--out", "x"], "--out needs --task"),
        (["--accept", "jpeg"], "--accept needs --task"),
        (["--task", "geneval", "--out", "x", "--accept", "jpgs"], "unknown flaw 'jpgs'"),
    ],
)
def test_score_says_what_it_takes(
    cheers: Cheers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list, said: str
):
    monkeypatch.chdir(tmp_path)
    folder = official_folder(tmp_path / "images")
    code, _, err = cheers("score", folder, *arguments)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_jpegs_can_be_accepted_on_the_command_line(cheers: Cheers, prompts: Path, tmp_path: Path):
    folder = official_folder(tmp_path / "images")
    for path in folder.rglob("samples/*.png"):
        with Image.open(path) as image:
            image.copy().save(path, "JPEG", quality=100, subsampling=0)
    code, out, err = cheers(
        *("score", folder, "--task", "geneval", "--out", tmp_path / "r", "--accept", "jpeg"),
        *("--task-option", f"prompts={prompts}", "--task-option", "images=2"),
    )
    assert code == 0, err
    assert "errored" not in out
