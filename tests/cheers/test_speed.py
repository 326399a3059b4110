"""Kernels, compilation, layout: the same pictures, and a clear word where a machine lacks one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend

from harness.errors import SpecError
from model_adapters.cheers import speed as speed_module
from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.generation import generate_image, image_noise
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.sampler import ImageSettings
from model_adapters.cheers.speed import COMPILED, Speed, tuned
from tests.cheers.conftest import SPECIAL

SETTINGS = ImageSettings(steps=3, cfg_scale=2.0)


def checked(device: str = "cpu", **given: Any) -> Speed:
    return Speed.checked(
        **{"compile": "off", "attention": "auto", "channels_last": True, "device": device} | given
    )


def drawn(model: CheersModel) -> Tensor:
    prompts = [Prompt([5, 6, SPECIAL.im_start]), Prompt([7, SPECIAL.im_start])]
    noise = [image_noise(model.config, seed) for seed in range(2)]
    return torch.stack([r.latents for r in generate_image(model, prompts, noise, SETTINGS)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"compile": "fast"}, "off, default"),
        ({"compile": "reduce-overhead"}, "CUDA graphs, which needs a GPU; this is cpu"),
        ({"compile": "max-autotune"}, "CUDA graphs"),
        ({"attention": "flash3"}, "auto, flash, efficient, cudnn, math"),
        ({"attention": "cudnn"}, "kernel of GPUs"),
        ({"attention": "efficient"}, "kernel of GPUs"),
        ({"channels_last": "yes"}, "channels_last=off"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        checked(**given)


@pytest.mark.parametrize("given", [{"compile": "reduce-overhead"}, {"attention": "cudnn"}])
def test_what_needs_a_gpu_is_taken_where_one_is(given: dict[str, Any]) -> None:
    assert checked(device="cuda:0", **given).to_dict() == given


def test_the_default_leaves_no_trace_and_off_may_be_a_yaml_word() -> None:
    assert checked().to_dict() == {}
    assert checked(compile=False) == checked()
    assert checked(channels_last=False).to_dict() == {"channels_last": False}


def test_layout_and_kernel_change_nothing_but_rounding(model: CheersModel) -> None:
    plain = drawn(model)
    for given in ({}, {"attention": "flash"}, {"attention": "math"}):
        other, speed = copy.deepcopy(model), checked(**given)
        speed.apply(other)
        with speed.kernels():
            torch.testing.assert_close(drawn(other), plain, rtol=1e-3, atol=1e-3)


def test_the_kernel_is_preferred_inside_the_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[SDPBackend], bool]] = []
    real = torch.nn.attention.sdpa_kernel

    def note(backends: list[SDPBackend], *, set_priority: bool) -> Any:
        asked.append((backends, set_priority))
        return real(backends, set_priority=set_priority)

    monkeypatch.setattr(torch.nn.attention, "sdpa_kernel", note)

    class Adapter:
        speed = checked(attention="flash")

        @tuned
        def answer(self, requests: list[int]) -> list[int]:
            assert len(asked) == 1
            return requests

    assert Adapter().answer([1, 2]) == [1, 2]
    ((order, priority),) = asked
    assert order[0] is SDPBackend.FLASH_ATTENTION
    assert order[-1] is SDPBackend.MATH  # whatever the first can't serve
    assert priority
    with checked(attention="math").kernels():
        assert asked[1][0] == [SDPBackend.MATH]
    with checked().kernels():
        assert len(asked) == 2


def test_the_parts_are_compiled_and_the_weights_keep_their_names(
    model: CheersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[Any, int] = {}

    def fake(forward: Callable[..., Any], *, mode: str) -> Callable[..., Any]:
        assert mode == "default"

        def run(*args: Any) -> Any:
            calls[forward] = calls.get(forward, 0) + 1
            return forward(*args)

        return run

    monkeypatch.setattr(torch, "compile", fake)
    other = copy.deepcopy(model)
    checked(compile="default", channels_last=False).apply(other)
    assert list(other.state_dict()) == list(model.state_dict())
    assert torch.equal(drawn(other), drawn(model))
    assert len(calls) == len(COMPILED)
    assert sorted(calls.values()) == [1, 3, 3, 3, 3]  # the VAE's decoder once, the others each step


def test_results_of_a_replayed_graph_are_copied_out() -> None:
    """A CUDA graph writes every result into the same memory."""
    memory = torch.zeros(2)

    def replay(x: Tensor) -> tuple[Tensor, None]:
        memory.copy_(x)
        return memory, None

    run = speed_module._kept(replay)
    first, _ = run(torch.tensor([1.0, 2.0]))
    second, _ = run(torch.tensor([3.0, 4.0]))
    assert first.tolist() == [1, 2]
    assert second.tolist() == [3, 4]


@pytest.mark.slow
def test_compiled_for_real(model: CheersModel) -> None:
    other = copy.deepcopy(model)
    checked(compile="default").apply(other)
    torch.testing.assert_close(drawn(other), drawn(model), rtol=1e-3, atol=1e-3)
    prompt = [Prompt([5, 6, 7], (), torch.rand(3, 16, 16))]
    decoding = Decoding(max_new_tokens=6)
    assert generate_text(other, prompt, decoding) == generate_text(model, prompt, decoding)


def test_every_compiled_part_is_a_module(model: CheersModel) -> None:
    for name in COMPILED:
        assert isinstance(model.model.get_submodule(name), nn.Module)
