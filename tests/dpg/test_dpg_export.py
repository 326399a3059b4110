"""DPG-Bench's folder layout in both directions: files of four images, named by their item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.cli.main import main
from harness.errors import AdapterError, BenchError, SpecError
from harness.grid import cut_grid, paste_grid
from harness.ledger import Ledger
from harness.media import read_origin
from harness.records import TaskResult
from harness.registry import models
from model_adapters.recorded.adapter import RecordedImages
from tasks.dpg.export import export_dpg
from tests.dpg.toys import ROWS, Critic, Painter, run_dpg, write_questions


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models()._added, "painter", Painter)
    monkeypatch.setitem(models()._added, "critic", Critic)
    monkeypatch.setattr(Critic, "hesitates", "")


def _cli(*arguments: object) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert not caught.value.code


def _scored(folder: Path, tmp_path: Path, **options: Any) -> TaskResult:
    args = {"path": str(folder), "grid": "2x2", **options.pop("args", {})}
    return run_dpg(tmp_path / "scored", "recorded", images=4, args=args, **options)[0]


def _reasons(tmp_path: Path) -> list[str]:
    with Ledger.open(tmp_path / "scored" / "run") as ledger:
        return [row.outcome.reason for row in ledger.scored("dpg-bench")]


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A folder as the original's generator writes it, of 16 x 16 images."""
    folder = tmp_path / "official"
    folder.mkdir()
    red, green = (Image.new("RGB", (16, 16), name) for name in ("red", "green"))
    paste_grid([red, red, green, red]).save(folder / "red.png")
    paste_grid([green] * 4).save(folder / "blue.png")
    return folder


def test_a_run_goes_out_and_comes_back_with_equal_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    result, run = run_dpg(tmp_path, images=4)
    _cli("export", run, "--format", "dpg-bench", "--out", tmp_path / "out")
    assert "2 items" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blue.png", "red.png"]
    with Image.open(tmp_path / "out" / "red.png") as grid:
        assert grid.size == (16, 16)
        assert cut_grid(grid, 2).getpixel((0, 0)) == (255, 0, 0)
    assert read_origin(tmp_path / "out" / "red.png").sample == "red"
    again = _scored(tmp_path / "out", tmp_path)
    assert [m.value for m in again.metrics] == [m.value for m in result.metrics]
    assert again.extra == result.extra
    assert again.verdicts == result.verdicts


def test_others_images_are_scored_from_the_command_line(official: Path, tmp_path: Path):
    questions = write_questions(tmp_path / "q.csv")
    options = (f"questions={questions}", "judge=critic")
    _cli(
        *("score", official, "--task", "dpg-bench", "--out", tmp_path / "run"),
        *("--model-arg", "grid=2x2"),
        *(part for option in options for part in ("--task-option", option)),
    )
    with Ledger.open(tmp_path / "run") as ledger:
        (result,) = ledger.results()
        ok = {row.sample.key for row in ledger.scored("dpg-bench") if row.outcome.verdict == "ok"}
    assert ok == {"red#0", "red#1", "red#3"}
    assert result.metrics[0].value == pytest.approx((3 * 1 + 5 * 0.5) / 8)


def test_images_of_another_prompt_are_found_out(tmp_path: Path):
    _, run = run_dpg(tmp_path, images=4)
    export_dpg(run, tmp_path / "out")
    (tmp_path / "out" / "blue.png").replace(tmp_path / "out" / "red.png")
    result = _scored(tmp_path / "out", tmp_path)
    assert result.verdicts == {"missing": 4, "errored": 4}
    assert any("blue.png" in reason for reason in _reasons(tmp_path))


def test_jpeg_grids_are_taken_only_if_accepted(official: Path, tmp_path: Path):
    for path in list(official.iterdir()):
        with Image.open(path) as image:
            image.save(path.with_suffix(".jpg"), quality=95, subsampling=0)
        path.unlink()
    assert _scored(official, tmp_path).verdicts == {"errored": 8}
    assert "red.jpg holds JPEG data, not PNG" in " ".join(_reasons(tmp_path))
    accepted = _scored(official, tmp_path / "accepted", args={"accept": "jpeg"})
    assert accepted.verdicts.get("errored") is None


def test_odd_and_other_sizes_are_found_out(official: Path, tmp_path: Path):
    with Image.open(official / "blue.png") as image:
        image.save(official / "other.png")  # so that most files have its size
    Image.new("RGB", (33, 32)).save(official / "red.png")
    result = _scored(official, tmp_path)
    assert result.verdicts == {"wrong": 4, "errored": 4}
    assert any("33x32" in reason for reason in _reasons(tmp_path))
    odd = _scored(official, tmp_path / "odd", args={"accept": "size"})
    assert odd.verdicts == {"wrong": 4, "errored": 4}
    assert any("can't be four equal pictures" in reason for reason in _reasons(tmp_path / "odd"))


def test_single_images_go_out_and_come_back(tmp_path: Path):
    result, run = run_dpg(tmp_path, images=1)
    export_dpg(run, tmp_path / "out")
    with Image.open(tmp_path / "out" / "red.png") as image:
        assert image.size == (8, 8)
    args = {"path": str(tmp_path / "out"), "grid": "1x1"}
    again, _ = run_dpg(tmp_path / "again", "recorded", images=1, args=args)
    assert again.verdicts == result.verdicts
    more, _ = run_dpg(tmp_path / "more", "recorded", images=2, args=args)
    assert more.verdicts == {**result.verdicts, "missing": 2}


def test_an_item_without_all_its_images_is_left_out(tmp_path: Path):
    _, run = run_dpg(tmp_path, images=4)
    lost = next((run / "images").rglob("red_2.png"))
    lost.write_bytes(lost.read_bytes()[:40])
    assert "1 items; 1 items without all their images left out" in export_dpg(run, None)
    assert [path.name for path in (run / "dpg-bench").iterdir()] == ["blue.png"]


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "a\\b"])
def test_an_item_cannot_name_a_file_elsewhere(tmp_path: Path, name: str):
    rows = [(name, *row[1:]) for row in ROWS[:2]]
    path = write_questions(tmp_path / "evil.csv", rows)
    _, run = run_dpg(tmp_path, questions=str(path))
    with pytest.raises(SpecError, match="can't name a file"):
        export_dpg(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_what_cannot_be_exported_is_refused(tmp_path: Path):
    _, run = run_dpg(tmp_path, images=5)
    with pytest.raises(SpecError, match="has 5 images"):
        export_dpg(run, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(SpecError, match="isn't empty"):
        export_dpg(run, tmp_path / "full")
    with pytest.raises(BenchError):
        export_dpg(tmp_path / "none", tmp_path / "out")


def test_wrong_folders_and_arguments_are_refused(official: Path, tmp_path: Path):
    with pytest.raises(SpecError, match="grid is '3x3'"):
        RecordedImages(str(official), grid="3x3")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdapterError, match="no image files"):
        RecordedImages(str(tmp_path / "empty"), grid="2x2")
    (official / "red.jpg").touch()
    with pytest.raises(AdapterError, match="two files of item 'red'"):
        RecordedImages(str(official), grid="2x2")
    with pytest.raises(AdapterError, match="grid=2x2"):
        RecordedImages(str(tmp_path / "official"))
