"""`cheers-bench show model`: what a model says about itself, built and unbuilt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from torch import nn

from harness.cli.main import main
from harness.errors import AdapterError, CheckpointError, SpecError, UnknownNameError
from harness.modelcard import report_model
from harness.models import build_model, model_ref
from harness.records import Capability
from harness.torch_support import count_parameters, parts_of
from tests.adapters.tiny_pipelines import save_tiny_pipeline
from tests.adapters.tiny_vlms import save_tiny_vlm
from tests.language.tiny import save as save_tiny_lm

Cheers: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cheers(capsys: pytest.CaptureFixture[str]) -> Cheers:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


def test_shared_tensors_count_once_and_the_rest_has_a_name():
    model = nn.Module()
    model.words, model.head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
    model.head.weight = model.words.weight
    model.more = nn.Linear(2, 2)
    parts = {"words": model.words, "head": model.head, "absent": None}
    assert count_parameters(model, parts) == {"words": 20, "head": 0, "other": 6}
    assert count_parameters(model, {**parts, "more": model.more})["more"] == 6


def test_the_parts_people_speak_of_are_inside_of_model():
    inner, outer = nn.Module(), nn.Module()
    inner.visual, inner.language_model = nn.Linear(1, 1), nn.Linear(1, 2)
    outer.model, outer.lm_head = inner, nn.Linear(2, 1)
    assert list(parts_of(outer)) == ["visual", "language_model", "lm_head"]
    assert list(parts_of(nn.Sequential(nn.Linear(1, 1)))) == ["0"]


def checkpoints(kind: str, folder: Path) -> Any:
    save: Any = {"hf-vlm": save_tiny_vlm, "diffusers": save_tiny_pipeline, "hf-lm": save_tiny_lm}
    return model_ref(f"{kind}:{save[kind](folder / kind)}", {"device": "cpu"})


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("hf-vlm", {"visual", "language_model", "lm_head"}),
        ("diffusers", {"text_encoder", "unet", "vae"}),
        ("hf-lm", {"embed_tokens", "layers", "norm"}),
    ],
)
def test_parts_add_up_to_the_model(kind: str, parts: set[str], tmp_path: Path):
    report = report_model(checkpoints(kind, tmp_path))
    assert report.built is not None
    found = report.built.parameters
    assert parts <= set(found)
    assert sum(found.values()) == report.built.fingerprint.parameters
    assert report.problem == ""
    can = report.card.capabilities
    assert set(report.built.batch_sizes) == {
        c.value for c in can - {Capability.VISION_TOKENS, Capability.RAW_TEXT}
    }
    assert bool(report.built.vision_tokens) is (Capability.VISION_TOKENS in can)


def test_vision_tokens_are_told_for_the_resolutions_asked_for(tmp_path: Path):
    ref = checkpoints("hf-vlm", tmp_path)
    small, large = report_model(ref, ((32, 32), (64, 64))).built.vision_tokens
    assert (small.width, large.height) == (32, 64)
    adapter = build_model(ref)
    assert [small, large] == [adapter.vision_tokens(32, 32), adapter.vision_tokens(64, 64)]


def test_nano_is_told_whole(cheers: Cheers):
    code, out, _ = cheers("show", "model", "cheers-nano", "--resolution", "512x384")
    assert code == 0
    for text in ("Apache-2.0", "edit_image", "hi_gate", "5,811,935", "512x384", '"cfg_scale":2.5'):
        assert text in out
    code, out, _ = cheers("show", "model", "cheers-nano", "--format", "json")
    found = json.loads(out)
    assert sum(found["built"]["parameters"].values()) == 5_811_935
    assert [t["llm_tokens"] for t in found["built"]["vision_tokens"]] == [16] * 4


def test_a_model_without_its_checkpoint_has_a_card(cheers: Cheers):
    code, out, _ = cheers("show", "model", "hf-vlm")
    assert code == 0
    assert "capabilities  answer, components, loglikelihood, vision_tokens" in out
    assert "attn_implementation='auto'" in out
    assert "not built, so nothing more is known: model 'hf-vlm' has no checkpoint" in out


def test_a_control_says_so_and_arguments_reach_the_model(cheers: Cheers):
    _, out, _ = cheers("show", "model", "null", "--model-arg", "size=32")
    assert "control" in out
    assert '"width":32' in out


def test_a_location_that_is_wrong_is_an_error(cheers: Cheers):
    code, _, err = cheers("show", "model", "hf-vlm:/no/such/folder")
    assert code == 1
    assert "/no/such/folder" in err
    with pytest.raises(UnknownNameError):
        report_model(model_ref("cheers-nanno"))
    with pytest.raises(SpecError, match="size"):
        report_model(model_ref("null", {"sise": 3}))
    with pytest.raises(AdapterError):
        report_model(model_ref("./nowhere.py:Model"))
    with pytest.raises(CheckpointError):
        report_model(model_ref("cheers:/no/such/folder"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model", "null", "--resolution", "512"], "'512' is no resolution"),
        (["model", "null", "--resolution", "0x4"], "'0x4' is no resolution"),
        (["runs/a", "null"], "two things to show"),
        (["runs/a", "--resolution", "1x1"], "are about a model"),
    ],
)
def test_a_command_line_that_means_nothing_is_refused(
    cheers: Cheers, arguments: list[str], said: str
):
    code, _, err = cheers("show", *arguments)
    assert code == 2
    assert said in err


def test_a_file_of_ones_own_is_shown_too(cheers: Cheers, tmp_path: Path):
    (tmp_path / "mine.py").write_text("def say(prompt, images, word='a'):\n    return word\n")
    code, out, _ = cheers("show", "model", f"{tmp_path / 'mine.py'}:say")
    assert code == 0
    assert "answer" in out
    assert torch.get_num_threads() > 0
