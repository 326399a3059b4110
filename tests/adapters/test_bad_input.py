"""What users get wrong with models: the message is clear, and nothing that is finished is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from harness.cli.main import main
from harness.ledger import Ledger
from harness.ledger.export import export_rows
from model_adapters.cheers.embedded import NANO_FOLDER
from tests.adapters.chat_server import ChatServer, chat_server, status
from tests.adapters.tiny_pipelines import save_tiny_pipeline
from tests.adapters.tiny_vlms import save_tiny_vlm

Cheers: TypeAlias = Callable[..., tuple[int, str]]


@pytest.fixture
def cheers(capsys: pytest.CaptureFixture[str]) -> Cheers:
    """Runs the command line here: exit code and error output."""

    def call(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        return int(caught.value.code or 0), capsys.readouterr().err

    return call


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "vlm": save_tiny_vlm(folder / "vlm"),
        "pipeline": save_tiny_pipeline(folder / "pipeline"),
        "nano": NANO_FOLDER,
    }


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        ("hf-vlm", "pipeline", "config.json"),
        ("hf-vlm", "nano", "can't be loaded"),
        ("diffusers", "vlm", "model_index.json"),
        ("diffusers", "nano", "model_index.json"),
        ("cheers", "pipeline", "config.json"),
        ("cheers", "vlm", ""),
        ("hf-lm", "pipeline", ""),
        ("tar", "pipeline", ""),
    ],
)
def test_a_checkpoint_of_another_kind(
    cheers: Cheers, checkpoints: dict[str, Path], model: str, kind: str, said: str
):
    folder = checkpoints[kind]
    out = folder.parent / f"run-{model}" if kind != "nano" else checkpoints["vlm"].parent / "run"
    arguments = ["--model", f"{model}:{folder}", "--task", "shapes-ocr", "--out", out]
    code, err = cheers("run", *arguments, "--model-arg", "device=cpu")
    assert code in (1, 2)
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert str(folder) in err
    assert said in err
    assert "remedy: " in err
    assert not out.exists()


def test_a_pipeline_without_diffusers_names_the_extra(
    cheers: Cheers, checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    model = f"diffusers:{checkpoints['pipeline']}"
    code, err = cheers("run", "--model", model, "--task", "shapes-geneval", "--out", tmp_path / "r")
    assert code == 1
    assert "cheers-bench[diffusers]" in err
    assert not (tmp_path / "r").exists()


def test_a_figure_without_matplotlib_names_the_extra(
    cheers: Cheers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out, task = tmp_path / "run", ["--task", "shapes-ocr", "--limit", 2]
    assert cheers("run", "--model", "null", *task, "--out", out)[0] == 0
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, err = cheers("plot", "bars", out, "--out", tmp_path / "bars.svg")
    assert code == 1
    assert "cheers-bench[plots]" in err
    assert not (tmp_path / "bars.svg").exists()


# --- an endpoint that isn't there ----------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def asked(url: str, out: Path, *more: object) -> list[object]:
    quick = ["attempts=1", "connect_s=2", "stream=off", "concurrency=1", "model=toy"]
    options = [part for pair in quick for part in ("--model-arg", pair)]
    task = ["--task", "shapes-ocr", "--limit", "6", "--batch-size", "1"]
    return ["run", "--model", f"openai:{url}", *options, *task, "--out", out, *more]


def verdicts(out: Path) -> dict[str, int]:
    with Ledger.open(out) as ledger:
        return dict(ledger.results()[0].verdicts)


def test_no_server_at_all_is_said_before_a_run_begins(cheers: Cheers, tmp_path: Path):
    code, err = cheers(*asked("http://127.0.0.1:9/v1", tmp_path / "run"))
    assert code == 1
    assert "http://127.0.0.1:9/v1" in err
    assert "remedy: " in err
    assert not (tmp_path / "run").exists()


def test_a_server_that_fails_loses_nothing_that_it_answered(
    cheers: Cheers, server: ChatServer, tmp_path: Path
):
    out, served = tmp_path / "run", []

    def answer(body: dict[str, Any]) -> str:
        served.append(body)
        if len(served) == 4:  # one to be identified, three samples, and the rest fails
            server.faults += [status(500, "on fire")] * 3
        return "ACE"

    server.answer = answer
    code, _ = cheers(*asked(server.url, out))
    assert code == 0
    assert verdicts(out)["errored"] == 3
    first = {row["id"]: row["text"] for row in export_rows(out) if row["text"]}
    assert len(first) == 3
    server.answer = lambda body: "LOX"
    code, _ = cheers(*asked(server.url, out, "--retry-errors"))
    assert code == 0
    after = {row["id"]: row["text"] for row in export_rows(out)}
    assert {name: after[name] for name in first} == first
    assert sorted(after.values()) == ["ACE"] * 3 + ["LOX"] * 3


def test_a_server_that_is_gone_leaves_the_run_as_it_was(cheers: Cheers, tmp_path: Path):
    out = tmp_path / "run"
    with chat_server() as server:
        assert cheers(*asked(server.url, out))[0] == 0
        url = server.url
    before = list(export_rows(out))
    code, err = cheers(*asked(url, out, "--retry-errors"))
    assert code == 1
    assert url in err
    assert list(export_rows(out)) == before


# --- a recording with fewer outputs than samples -------------------------------------------------


def test_what_a_recording_lacks_is_missing_and_the_rest_is_scored(cheers: Cheers, tmp_path: Path):
    made, out = tmp_path / "made", tmp_path / "scored"
    task = ["--task", "shapes-geneval", "--task-option", "shapes-geneval.images=1"]
    one, two = (["--task-option", f"shapes-geneval.prompts={n}"] for n in (1, 2))
    assert cheers("run", "--model", "null", *task, *one, "--out", made)[0] == 0
    code, _ = cheers("run", "--model", f"recorded:{made}", *task, *two, "--out", out)
    assert code == 0
    assert verdicts(out) == {"wrong": 6, "missing": 6}
    with Ledger.open(out) as ledger:
        (result,) = ledger.results()
        missing = [e for e in ledger.entries("shapes-geneval") if e.outcome.verdict == "missing"]
    assert result.status == "incomplete"
    overall = result.metrics[0]
    assert (overall.value, overall.bound_low, overall.bound_high) == (0, 0, 0.5)
    assert all(entry.sample.id in entry.outcome.reason for entry in missing)
    picture = next(made.rglob("*.png"))
    picture.unlink()
    lost = tmp_path / "lost"
    assert cheers("run", "--model", f"recorded:{made}", *task, *one, "--out", lost)[0] == 0
    assert verdicts(lost) == {"wrong": 5, "missing": 1}


def test_a_folder_that_is_no_recording(cheers: Cheers, tmp_path: Path):
    task = ["--task", "shapes-geneval", "--out", tmp_path / "run"]
    code, err = cheers("run", "--model", f"recorded:{tmp_path / 'none'}", *task)
    assert code == 1
    assert str(tmp_path / "none") in err
    assert not (tmp_path / "run").exists()
