"""A CHEERS between cheers-nano and the released one: each part's share of a step is about the
released one's, at a 256th of its operations, so that a CPU shows where the time goes.

The weights are random: how long a step takes does not depend on them.
"""

from __future__ import annotations

import torch
from msgspec import structs

from model_adapters.cheers import CheersConfig, CheersModel, Prompt, fresh_model
from model_adapters.cheers.config import HeadConfig, SpecialTokenIds, TextConfig, VAEConfig
from model_adapters.cheers.config import VisionConfig as Vision

__all__ = ["midsize_config", "midsize_model", "random_prompts", "shrunk_model", "small_model"]

_SPECIAL = SpecialTokenIds(
    pad=2040,
    chat_start=2041,
    chat_end_eos=2042,
    image_placeholder_token=2043,
    image_gen_placeholder_token=2044,
    im_start=2045,
    im_end=2046,
    no_mean=2047,
    newline=10,
)


def midsize_config() -> CheersConfig:
    """128 pixels, an 8x8 latent grid, 16 visual tokens; 165 million parameters.

    Example:
        >>> midsize_config().tokens_per_image
        16
    """
    vae = VAEConfig(resolution=128, ch=32, z_channels=8, norm_num_groups=8)
    return CheersConfig(
        vae_encoder_config=vae,
        vae_decoder_config=vae,
        vision_representation_config=Vision(
            hidden_size=512,
            intermediate_size=1920,
            num_hidden_layers=9,
            num_attention_heads=8,
            image_size=128,
        ),
        text_config=TextConfig(
            vocab_size=2048,
            hidden_size=768,
            intermediate_size=2752,
            num_hidden_layers=11,
            num_attention_heads=12,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        ),
        head_config=HeadConfig(gen_depth=2, hi_depth=1),
        special_token_ids=_SPECIAL,
    )


def midsize_model() -> CheersModel:
    """The model in float32 on the CPU."""
    return fresh_model(midsize_config(), 0).eval()


def small_model() -> CheersModel:
    """Narrow, with half as many layers: a layer's sums take no longer than calling it.

    On a GPU the released sizes are so, where one row decodes a token.
    """
    config = midsize_config()
    text = structs.replace(
        config.text_config,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
    )
    return fresh_model(structs.replace(config, text_config=text), 0).eval()


def shrunk_model(pixels: int) -> CheersModel:
    """The mid-size weights over pictures of fewer pixels."""
    config = midsize_config()
    vae = structs.replace(config.vae_encoder_config, resolution=pixels)
    tower = structs.replace(config.vision_representation_config, image_size=pixels)
    smaller = structs.replace(
        config, vae_encoder_config=vae, vae_decoder_config=vae, vision_representation_config=tower
    )
    return fresh_model(smaller, 0).eval()


def random_prompts(
    config: CheersConfig, count: int, *, words: int = 40, drawing: bool = False
) -> list[Prompt]:
    """Prompts of random words behind a dummy image; to draw, they end where an image begins."""
    special, side = config.special_token_ids, config.image_size
    words_below = min(special.pad, config.text_config.vocab_size)
    generator = torch.Generator().manual_seed(0)
    return [
        Prompt(
            torch.randint(0, words_below, (words,), generator=generator).tolist()
            + [special.im_start] * drawing,
            (),
            torch.rand(3, side, side, generator=generator),
        )
        for _ in range(count)
    ]
