"""A run of seconds through every stage: it resumes exactly and exports what loads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import torch
from click.testing import CliRunner

from model_adapters.cheers import from_pretrained
from recipes.nano.checkpoint import load_state
from recipes.nano.export import main as export
from recipes.nano.journal import Journal
from recipes.nano.settings import Settings, StageSettings, smoke_settings, with_steps
from recipes.nano.train import main, plain_attention, prepare, train
from recipes.nano.training_stage import Trainer, learning_rate


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Sums of several threads differ in their last bit, and small steps wait for threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trainer]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(folder, smoke_settings(), export=folder / "cheers-nano")


_NAMES = ["align", "joint", "refine", "settle", "draw", "steer", "place", "tune", "ask"]


class _StopError(RuntimeError):
    """Stands for a kill."""


def _stop_at(total: int) -> Callable[[Trainer], None]:
    def stop(trainer: Trainer) -> None:
        if trainer.total == total:
            raise _StopError

    return stop


@pytest.mark.parametrize("after", [1, 8, 11])
def test_a_stopped_run_ends_with_the_same_weights(
    whole: tuple[Path, Trainer], tmp_path: Path, after: int
):
    with plain_attention(), pytest.raises(_StopError):
        prepare(tmp_path, smoke_settings(), bf16=True).run(_stop_at(after))
    resumed = train(tmp_path, smoke_settings())
    expected = whole[1].averaged_state()
    assert all(torch.equal(resumed.averaged_state()[name], t) for name, t in expected.items())
    assert resumed.total == whole[1].total
    assert _steps(tmp_path / "joint.jsonl") == _steps(whole[0] / "joint.jsonl")


def _steps(path: Path) -> list[tuple[int, float, float]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(line["step"], line["text"], line["image"]) for line in lines]


def test_a_vae_that_was_stopped_ends_the_same(whole: tuple[Path, Trainer], tmp_path: Path):
    from recipes.nano.pools import vae_images
    from recipes.nano.vae_stage import train_vae

    settings = smoke_settings()
    images = vae_images(settings)
    first = settings.vae.phases[:1]
    cut = msgspec.structs.replace(settings, vae=msgspec.structs.replace(settings.vae, phases=first))
    with plain_attention():
        train_vae(cut, images, tmp_path, bf16=True)
        resumed = train_vae(settings, images, tmp_path, bf16=True)
    expected = load_state(whole[0] / "vae.pt")["model"]
    assert all(torch.equal(resumed.state_dict()[name], t) for name, t in expected.items())


def test_another_seed_gives_other_weights(whole: tuple[Path, Trainer], tmp_path: Path):
    other = train(tmp_path, msgspec.structs.replace(smoke_settings(), seed=1))
    name = "model.hi_gate.gate.0.weight"
    assert not torch.equal(other.averaged_state()[name], whole[1].averaged_state()[name])


def test_the_vae_and_the_projector_stay_as_stage_one_left_them(whole: tuple[Path, Trainer]):
    folder, trainer = whole
    weights = trainer.model.state_dict()
    for file, prefix in (("image", "vae_model"), ("readable", "vae_decoder_projector")):
        for name, tensor in load_state(folder / f"decoder-{file}.pt")["model"].items():
            assert torch.equal(weights[f"model.{prefix}.{name}"], tensor)


def test_the_export_loads_and_holds_the_averaged_weights(whole: tuple[Path, Trainer]):
    folder, trainer = whole
    checkpoint = from_pretrained(folder / "cheers-nano", "float32")
    loaded, expected = checkpoint.model.state_dict(), trainer.averaged_state()
    assert set(loaded) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(loaded[name], tensor.half().to(loaded[name].dtype)), name
    assert (folder / "cheers-nano" / "model.safetensors").stat().st_size <= 12_000_000


def test_exporting_a_run_gives_the_same_file(whole: tuple[Path, Trainer], tmp_path: Path):
    done = CliRunner().invoke(export, [str(whole[0]), str(tmp_path / "again")])
    assert done.exit_code == 0, done.output
    assert "exported step 18" in done.output
    first, again = (
        (folder / "model.safetensors").read_bytes()
        for folder in (whole[0] / "cheers-nano", tmp_path / "again")
    )
    assert first == again


def test_the_command_line_goes_through_all_stages(tmp_path: Path):
    done = CliRunner().invoke(main, ["--smoke", "--out", str(tmp_path), "--steps", "draw=1"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "cheers-nano" / "config.json").is_file()
    stages = [
        json.loads(line)["stage"] for line in (tmp_path / "joint.jsonl").read_text().splitlines()
    ]
    pairs = [name for name in _NAMES for _ in range(1 if name == "draw" else 2)]
    assert stages == pairs


@pytest.mark.parametrize("given", ["draw", "draw=", "draw=-1", "paint=3"])
def test_the_command_line_names_the_stages_it_knows(tmp_path: Path, given: str):
    done = CliRunner().invoke(main, ["--smoke", "--out", str(tmp_path), "--steps", given])
    assert done.exit_code == 2
    assert ", ".join(_NAMES) in " ".join(done.output.split())


def test_the_log_forgets_what_will_be_done_again(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    journal = Journal(path, 0)
    for step in range(4):
        journal.write(step, loss=step / 7)
    with path.open("a") as stream:
        stream.write('{"step": 4, "lo')  # a killed run's last line
    Journal(path, 2).write(2, loss=0.5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2]
    assert lines[2]["loss"] == 0.5
    assert lines[2]["seconds"] >= lines[1]["seconds"]


def test_rates_warm_up_stay_and_fall():
    stays = StageSettings(name="joint", steps=100, lr=1.0, warmup=10)
    falls = StageSettings(name="refine", steps=100, lr=1.0, decay=True)
    assert learning_rate(stays, 0) == pytest.approx(0.1)
    assert learning_rate(stays, 50) == learning_rate(stays, 99) == 1.0
    assert learning_rate(falls, 0) == 1.0
    assert learning_rate(falls, 99) == pytest.approx(0.01)


def test_steps_can_be_set_by_name():
    settings = with_steps(Settings(), {"joint": 3})
    assert [stage.name for stage in settings.stages] == _NAMES
    assert settings.stages[1].steps == 3
    assert settings.stages[2] == Settings().stages[2]
