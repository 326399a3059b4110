from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_adapters.cheers.config import CheersConfig, ConfigError


def test_released_configuration_round_trips_with_official_keys_only() -> None:
    released = CheersConfig.released()
    data = released.to_dict()
    assert set(data) == {
        "architectures",
        "model_type",
        "text_config",
        "torch_dtype",
        "vae_decoder_config",
        "vae_encoder_config",
        "vision_representation_config",
    }
    assert "norm_num_groups" not in data["vae_encoder_config"]
    assert CheersConfig.from_dict(json.loads(json.dumps(data))) == released


def test_official_file_with_its_defaults_left_out() -> None:
    data = {
        "vae_encoder_config": {"resolution": 512},
        "vae_decoder_config": {"resolution": 512},
        "vision_representation_config": {
            "hidden_size": 1152,
            "image_size": 512,
            "intermediate_size": 4304,
            "num_attention_heads": 16,
            "num_hidden_layers": 27,
            "num_patches": 1024,
        },
        "text_config": {
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "vocab_size": 151936,
            "max_position_embeddings": 32768,
            "max_window_layers": 21,
            "sliding_window": 32768,
        },
        "auto_map": {"AutoConfig": "configuration_umm.UMMConfig"},
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.3",
    }
    config = CheersConfig.from_dict(data)
    assert config.text_config == CheersConfig.released().text_config
    assert config.to_dict()["auto_map"] == data["auto_map"]


def test_derived_sizes() -> None:
    released = CheersConfig.released()
    assert released.latent_channels == 128
    assert released.latent_stride == 16
    assert released.latent_grid == 32
    assert released.tokens_per_image == 256
    assert released.gen_heads == (12, 2)
    assert released.hi_heads == (16, 2)


def test_own_keys_round_trip(config: CheersConfig) -> None:
    data = json.loads(json.dumps(config.to_dict()))
    assert data["special_token_ids"]["im_start"] == config.special_token_ids.im_start
    assert CheersConfig.from_dict(data) == config


@pytest.mark.parametrize(
    ("path", "key"),
    [((), "vision_config"), (("text_config",), "hiden_size"), (("head_config",), "depth")],
)
def test_unknown_key_is_named(config: CheersConfig, path: tuple[str, ...], key: str) -> None:
    data = json.loads(json.dumps(config.to_dict()))
    inner = data
    for step in path:
        inner = inner[step]
    inner[key] = 1
    with pytest.raises(ConfigError, match=key):
        CheersConfig.from_dict(data)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("text_config", "tie_word_embeddings", False, "tie_word_embeddings"),
        ("text_config", "use_sliding_window", True, "use_sliding_window"),
        ("text_config", "num_attention_heads", 5, "cannot be split"),
        ("text_config", "rope_scaling", {"type": "linear"}, "rope_scaling"),
        ("text_config", "hidden_size", "wide", "hidden_size"),
        ("vision_representation_config", "num_patches", 3, "num_patches"),
        ("vision_representation_config", "patch_size", 8, "patch_size"),
        ("vision_representation_config", "image_size", 20, "image_size"),
        ("vae_encoder_config", "norm_num_groups", 3, "norm_num_groups"),
        ("vae_decoder_config", "z_channels", 4, "z_channels"),
    ],
)
def test_sizes_that_disagree_are_named(
    config: CheersConfig, section: str, key: str, value: object, message: str
) -> None:
    data = json.loads(json.dumps(config.to_dict()))
    data[section][key] = value
    with pytest.raises(ConfigError, match=message):
        CheersConfig.from_dict(data)


def test_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.json"):
        CheersConfig.from_file(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="no object"):
        CheersConfig.from_file(path)
