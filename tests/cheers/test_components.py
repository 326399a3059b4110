from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from harness.components import seconds_by_component
from model_adapters.cheers.components import COMPONENTS, watch_components
from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.decoding import Decoding, generate_text
from model_adapters.cheers.generation import generate_image, image_noise
from model_adapters.cheers.model import CheersModel
from model_adapters.cheers.prompt import Prompt
from model_adapters.cheers.reconstruction import reconstruct
from model_adapters.cheers.sampler import ImageSettings
from tests.cheers.conftest import SPECIAL


def test_every_component_is_timed_and_counted(
    model: CheersModel, ragged: list[Prompt], config: CheersConfig
) -> None:
    prompt = ragged[1]._replace(ids=[*ragged[1].ids, SPECIAL.im_start])
    with watch_components(model, count=False) as watched:
        generate_image(model, [prompt], [image_noise(config, 0)], ImageSettings(steps=3))
    steps, prefill = 3, 1
    assert {name: one.calls for name, one in watched.items()} == {
        "vae_encode": 1,
        "vae_decode": 1,
        "decoder_projector": steps + prefill,
        "tower": steps + prefill,
        "und_projector": steps + prefill,
        "llm/prefill": prefill,
        "llm/denoise": steps,
        "time_embed": steps,
        "gen_projector": steps,
        "hi_gate": steps,
        "hi_projector": steps,
    }
    seconds = seconds_by_component(watched)
    assert set(seconds) == set(COMPONENTS)
    assert min(seconds.values()) > 0


def test_the_output_embedding_is_timed_with_the_components(
    model: CheersModel, ragged: list[Prompt]
) -> None:
    with watch_components(model, count=False) as watched:
        generate_text(model, ragged[1:2], Decoding(max_new_tokens=3, stop_ids=()))
    assert watched["llm/prefill"].calls == 1
    assert watched["lm_head"].calls == watched["llm/decode"].calls + 1 == 3
    assert "llm/denoise" not in watched


def test_nothing_stays_installed(model: CheersModel) -> None:
    with watch_components(model, count=False) as watched:
        assert model.lm_head._forward_hooks
    for path in COMPONENTS.values():
        module = model.model.get_submodule(path)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert not model.lm_head._forward_hooks
    assert watched == {}  # nothing ran


def test_an_error_inside_leaves_nothing_installed(model: CheersModel) -> None:
    with pytest.raises(RuntimeError, match="inside"), watch_components(model, count=False):
        raise RuntimeError("inside")
    assert not model.model.vae_model.encoder._forward_hooks


def test_components_cover_every_parameter_of_the_core(model: CheersModel) -> None:
    covered = set()
    for path in COMPONENTS.values():
        covered |= {id(parameter) for parameter in model.model.get_submodule(path).parameters()}
    assert covered == {id(parameter) for parameter in model.model.parameters()}


def test_reconstruction_runs_images_of_any_size_in_order(
    model: CheersModel, pixels: Callable[[int], Tensor]
) -> None:
    images = [pixels(0), torch.rand(3, 32, 32), pixels(1)]
    together = reconstruct(model, images)
    for image, result in zip(images, together, strict=True):
        (alone,) = reconstruct(model, [image])
        assert result.shape == image.shape
        torch.testing.assert_close(result, alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[0], reconstruct(model, images[:1], "projector")[0])


def test_weights_of_the_tower_are_those_that_are_computed_with(
    model: CheersModel, ragged: list[Prompt], config: CheersConfig
) -> None:
    """Against autograd: a weight that took no part has no gradient."""
    with watch_components(model, count=True) as counted:
        generate_text(model, ragged[1:2], Decoding(max_new_tokens=1))
    tower = model.model.vision_representation
    with torch.enable_grad():
        pixels = torch.rand(1, 3, config.image_size, config.image_size)
        names = [name for name, _ in tower.named_parameters()]
        found = torch.autograd.grad(
            tower(pixels).hidden.sum(), list(tower.parameters()), allow_unused=True
        )
    used = {name for name, one in zip(names, found, strict=True) if one is not None}
    assert used
    weights = dict(tower.named_parameters())
    assert counted["tower"].weight_bytes == sum(weights[name].nbytes for name in used)
    assert counted["tower"].weight_bytes < sum(one.nbytes for one in weights.values())
