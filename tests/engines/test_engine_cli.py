"""The engine on the command line: flags over run files, the missing extra, the plan."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from harness.cli.engine_flags import read_engine
from harness.cli.main import cli, main
from harness.errors import LedgerError, SpecError
from harness.run import execute, plan
from harness.runfile import make_spec, read_run_file
from harness.runspec import EngineSpec, ModelRef, RunSpec, TaskRef


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def test_flags_win_over_the_run_file_field_by_field(tmp_path: Path):
    (tmp_path / "run.yaml").write_text(
        "model: 'null'\nout: runs/x\ntasks: [shapes-ocr]\n"
        "engine: {kind: ray, workers: 8, gpus_per_worker: 1, judges: 0}\n"
    )
    flags = read_engine({"engine_workers": 2, "engine_judges": None, "limit": 3})
    spec = make_spec(read_run_file(tmp_path / "run.yaml"), flags)
    assert spec.engine == EngineSpec(kind="ray", workers=2, gpus_per_worker=1, judges=0)
    assert spec.limit == 3


@pytest.mark.parametrize(
    ("flags", "copies"), [((), False), (("--copies",), True), (("--no-copies",), False)]
)
def test_a_switch_that_is_not_given_leaves_the_run_file_alone(
    tmp_path: Path, flags: tuple[str, ...], *, copies: bool
):
    file = tmp_path / "run.yaml"
    file.write_text(
        "model: 'null'\nout: runs/x\ntasks: [shapes-ocr]\nengine: {kind: ray, copies: false}\n"
    )
    spec = make_spec(read_run_file(file), read_engine(parameters(*flags)))
    assert spec.engine.copies is copies


def test_worker_resources_are_pairs_and_win_over_the_run_file_together(tmp_path: Path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "model: 'null'\nout: runs/x\ntasks: [shapes-ocr]\n"
        "engine: {kind: ray, worker_resources: {big: 1}}\n"
    )
    given = parameters("--worker-resources", "a:b=c=0.5", "--worker-resources", "fast=2")
    spec = make_spec(read_run_file(file), read_engine(given))
    assert spec.engine.worker_resources == {"a:b=c": 0.5, "fast": 2.0}
    spec = make_spec(read_run_file(file), read_engine(parameters()))
    assert spec.engine.worker_resources == {"big": 1.0}


@pytest.mark.parametrize(
    "text", ["big", "=1", "big=", "big=much", "big=0", "big=0.00001", "big=nan", "big=inf"]
)
def test_worker_resources_that_are_no_pairs_are_refused(
    text: str, capsys: pytest.CaptureFixture[str]
):
    assert called("run", "--worker-resources", text) == 2
    assert "--worker-resources" in capsys.readouterr().err


def parameters(*words: str) -> dict[str, Any]:
    """The engine's parameters of a `cheers-bench run` line."""
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    with command.make_context("run", list(words)) as context:
        return {k: v for k, v in context.params.items() if k.startswith("engine_")}


def test_without_a_word_about_it_the_engine_is_local(tmp_path: Path):
    (tmp_path / "run.yaml").write_text("model: 'null'\nout: runs/x\ntasks: [shapes-ocr]\n")
    assert make_spec(read_run_file(tmp_path / "run.yaml"), {}).engine == EngineSpec()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{kind: rya}", "rya"),
        ("{workers: 0}", "workers"),
        ("{wokers: 2}", "wokers"),
        ("{worker_resources: {big: 0}}", "worker_resources"),
    ],
)
def test_a_wrong_engine_in_a_run_file_is_refused(tmp_path: Path, text: str, said: str):
    (tmp_path / "run.yaml").write_text(f"engine: {text}\n")
    with pytest.raises(SpecError, match=said):
        read_run_file(tmp_path / "run.yaml")


def test_settings_without_the_engine_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = str(tmp_path / "run")
    common = ["run", "--model", "null", "--task", "shapes-ocr", "--out", out]
    assert called(*common, "--workers", "4") == 2
    assert "--engine ray" in capsys.readouterr().err
    assert called(*common, "--timings", out) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    spec = RunSpec(
        tasks=(TaskRef(task="shapes-ocr"),),
        model=ModelRef(name="null"),
        out=str(tmp_path / "run"),
        engine=EngineSpec(kind="ray"),
    )
    with pytest.raises(SpecError, match=r"cheers-bench\[ray\]"):
        execute(spec)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("module", ["harness.cli.main", "harness.cli.run_command", "harness.run"])
def test_nothing_imports_ray_unasked(module: str):
    code = f"import {module}, sys; print([m for m in ('ray', 'torch') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_only_two_modules_name_ray():
    root = Path(__file__).parents[2] / "harness"
    naming = {p.name for p in root.rglob("*.py") if "import ray\n" in p.read_text()}
    assert naming == {"ray_engine.py"}


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """A small run of the null model, with real times."""
    folder = tmp_path / "timed"
    task = TaskRef(task="shapes-geneval", limit=20)
    execute(RunSpec(tasks=(task,), model=ModelRef(name="null"), out=str(folder), batch_size=4))
    return folder


def geneval(out: Path, **engine: Any) -> RunSpec:
    return RunSpec(
        tasks=(TaskRef(task="shapes-geneval"),),
        model=ModelRef(name="null"),
        out=str(out),
        engine=EngineSpec(**engine),
    )


def test_the_plan_takes_times_from_another_run(tmp_path: Path, timed: Path):
    found = plan(geneval(tmp_path / "new", workers=8), timed)
    assert found.forecast is not None
    assert found.forecast.workers == 8
    assert found.forecast.cut.batch == 4
    assert found.seconds == pytest.approx(found.tasks[0].seconds)
    # Workers share what one would do; nothing here is faster than the bound.
    assert found.forecast.bound_s <= found.forecast.makespan_s < found.seconds


def test_the_plan_of_a_run_in_progress_is_about_what_is_left(timed: Path):
    task = TaskRef(task="shapes-geneval", limit=20)
    spec = RunSpec(
        tasks=(task,), model=ModelRef(name="null"), out=str(timed), engine=EngineSpec(workers=2)
    )
    assert plan(spec).forecast is None, "nothing is left"


def test_without_times_the_plan_says_so(
    tmp_path: Path, timed: Path, capsys: pytest.CaptureFixture[str]
):
    common = ["run", "--model", "null", "--task", "shapes-geneval", "--dry-run", "--workers", "16"]
    common += ["--out", str(tmp_path / "new")]
    assert called(*common) == 0
    assert "--timings names a run that has" in capsys.readouterr().out
    assert called(*common, "--timings", str(timed)) == 0
    said = capsys.readouterr().out
    assert "16 workers:" in said
    assert "efficiency" in said
    assert called(*common[:-2], "--out", str(tmp_path / "x"), "--timings", str(tmp_path)) == 1


def test_a_plan_without_workers_is_as_before(tmp_path: Path):
    found = plan(geneval(tmp_path / "new"))
    assert (found.workers, found.forecast) == (None, None)
    with pytest.raises(LedgerError):
        plan(geneval(tmp_path / "new"), tmp_path / "nowhere")


def test_the_engine_is_no_part_of_what_identifies_a_run(timed: Path):
    text = json.loads((timed / "manifest.json").read_text())
    assert "engine" not in text
