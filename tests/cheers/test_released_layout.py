"""The released configuration on the meta device: key set and sizes of the checkpoint."""

from __future__ import annotations

from collections import Counter

import pytest

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.initialisation import meta_model
from model_adapters.cheers.model import CheersModel

KEYS = {
    "model.vision_representation.embeddings": 3,
    "model.vision_representation.encoder": 432,
    "model.vision_representation.post_layernorm": 2,
    "model.vision_representation.head": 11,
    "model.language_model.embed_tokens": 1,
    "model.language_model.layers": 336,
    "model.language_model.norm": 1,
    "model.vae_model.encoder": 108,
    "model.vae_model.decoder": 140,
    "model.vae_model.bn": 3,
    "model.vae_decoder_projector.decoder": 140,
    "model.vae_decoder_projector.bn": 3,
    "model.und_projector.layernorm": 2,
    "model.und_projector.mlp": 4,
    "model.gen_projector.diffusion_head_a": 77,
    "model.gen_projector.diffusion_head_b": 5,
    "model.hi_projector.diffusion_head_a": 33,
    "model.hi_projector.diffusion_head_b": 5,
    "model.hi_gate.gate": 4,
    "model.hi_gate.layer_norm": 2,
    "model.time_embed.mlp_1": 4,
    "model.time_embed.mlp_2": 4,
    "lm_head.weight": 1,
}
"""Tensors of the released checkpoint by prefix."""

MILLIONS = {
    "vae_model.encoder": 34.4,
    "vae_model.decoder": 49.6,
    "vae_decoder_projector": 49.6,
    "vision_representation": 428.8,
    "und_projector": 28.3,
    "language_model": 1543.7,
    "gen_projector": 347.7,
    "hi_gate": 1.3,
    "hi_projector": 83.5,
    "time_embed": 4.4,
}
"""Parameters of the released configuration, in millions."""


@pytest.fixture(scope="module")
def released() -> CheersModel:
    return meta_model(CheersConfig.released())


def test_exactly_the_official_keys_by_prefix(released: CheersModel) -> None:
    names = list(released.state_dict())
    assert len(names) == 1321
    prefixes = Counter(".".join(name.split(".")[:3]) for name in names)
    prefixes["lm_head.weight"] = prefixes.pop("lm_head.weight")
    assert dict(prefixes) == KEYS


@pytest.mark.parametrize(("part", "millions"), MILLIONS.items())
def test_parameters_of_each_part(released: CheersModel, part: str, millions: float) -> None:
    module = released.model.get_submodule(part)
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


def test_embeddings_are_tied_on_the_meta_device(released: CheersModel) -> None:
    assert released.lm_head.weight is released.model.language_model.embed_tokens.weight


def test_bytes_in_bfloat16_match_the_published_index(released: CheersModel) -> None:
    """The index of the released shards states its total, every tensor in two bytes."""
    total = sum(2 * tensor.numel() for tensor in released.state_dict().values())
    assert total == 5_609_423_890
