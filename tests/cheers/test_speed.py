"""Kernels, compilation, layout: the same pictures, and a clear word where a machine lacks one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend

from harness.errors import SpecError
from model_adapters.cheers import speed as speed_module
from model_adapters.cheers.compiled_backbone import compile_backbone
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

    def fake(forward: Callable[..., Any], *, mode: str, **_: bool) -> Callable[..., Any]:
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
    # The VAE's decoder once, the others and the backbone's pass over an image each step.
    assert len(calls) == len(COMPILED) + 1
    assert sorted(calls.values()) == [1, 3, 3, 3, 3, 3]


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


@pytest.mark.parametrize(
    ("mode", "backbone"),
    [
        ("default", "default"),
        ("reduce-overhead", "default"),
        ("max-autotune", "max-autotune-no-cudagraphs"),
    ],
)
def test_the_backbone_replays_no_graph(
    model: CheersModel, monkeypatch: pytest.MonkeyPatch, mode: str, backbone: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(torch, "compile", lambda run, *, mode, **_: asked.append(mode) or run)
    compile_backbone(copy.deepcopy(model).model.language_model, 4, mode)
    assert asked == [backbone, backbone]


def test_prompts_are_not_compiled(model: CheersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a prompt, nor what follows a beginning that several have in common."""
    seen: list[tuple[int, int]] = []

    def fake(run: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def note(embeds: Tensor, *rest: Any) -> Any:
            seen.append((embeds.shape[1], min(rest[-1].lengths)))
            return run(embeds, *rest)

        return note

    monkeypatch.setattr(torch, "compile", fake)
    other = copy.deepcopy(model)
    tokens = model.config.tokens_per_image
    compile_backbone(other.model.language_model, tokens, "default")
    assert torch.equal(drawn(other), drawn(model))
    generate_text(other, [Prompt([5, 6, 7])], Decoding(max_new_tokens=3))
    assert {count for count, _ in seen} == {1, tokens}
    assert all(behind for _, behind in seen)


@pytest.mark.slow
def test_compiled_for_real(model: CheersModel) -> None:
    other = copy.deepcopy(model)
    checked(compile="default").apply(other)
    torch.testing.assert_close(drawn(other), drawn(model), rtol=1e-3, atol=1e-3)
    decoding = Decoding(max_new_tokens=6)
    for prompts in of_many_shapes():
        ours, theirs = (generate_text(m, prompts, decoding) for m in (other, model))
        assert ours == theirs


@pytest.mark.slow
def test_the_backbone_is_compiled_a_few_times(
    model: CheersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once there were rows of each kind, further lengths and batches need nothing new."""
    torch._dynamo.reset()  # the test before has compiled the same functions
    other = copy.deepcopy(model)
    compile_backbone(other.model.language_model, model.config.tokens_per_image, "default")
    decoding = Decoding(max_new_tokens=12)
    for _ in range(2):
        for prompts in of_many_shapes():
            generate_text(other, prompts, decoding)
    monkeypatch.setattr(torch._dynamo.config, "error_on_recompile", True)
    for longer in (of_many_shapes(rows=(1, 6), more=9), of_many_shapes(rows=(7,), more=3)):
        for prompts in longer:
            ours, theirs = (generate_text(m, prompts, decoding) for m in (other, model))
            assert ours == theirs


def of_many_shapes(rows: Sequence[int] = (1, 2, 4, 5), more: int = 0) -> list[list[Prompt]]:
    """Batches of prompts of one length, and of several."""
    picture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    return [
        [Prompt([5 + row, *[6] * (row * ragged + more), 7], (), picture) for row in range(count)]
        for count in rows
        for ragged in (0, 1)
    ]


def test_every_compiled_part_is_a_module(model: CheersModel) -> None:
    for name in COMPILED:
        assert isinstance(model.model.get_submodule(name), nn.Module)
