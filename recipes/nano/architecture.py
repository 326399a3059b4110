"""The sizes of cheers-nano: 64x64 images, an 8x8 latent grid, 16 visual tokens."""

from __future__ import annotations

from model_adapters.cheers.config import (
    CheersConfig,
    HeadConfig,
    SpecialTokenIds,
    TextConfig,
    VAEConfig,
    VisionConfig,
)

__all__ = ["nano_config"]


def nano_config(vocab_size: int = 512, special: SpecialTokenIds | None = None) -> CheersConfig:
    """Configuration of cheers-nano.

    Args:
        vocab_size: Rows of the embedding.
        special: Ids of the tokenizer's special tokens; by default the released ones.

    Example:
        >>> nano_config().tokens_per_image
        16
    """
    vae = VAEConfig(
        resolution=64, ch=16, ch_mult=(1, 2, 2), num_res_blocks=1, z_channels=4, norm_num_groups=4
    )
    return CheersConfig(
        vae_encoder_config=vae,
        vae_decoder_config=vae,
        vision_representation_config=VisionConfig(
            hidden_size=128,
            intermediate_size=448,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=64,
            patch_size=8,
            num_patches=64,
        ),
        text_config=TextConfig(
            vocab_size=vocab_size,
            hidden_size=192,
            intermediate_size=480,
            num_hidden_layers=5,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            max_window_layers=5,
            sliding_window=1024,
            tie_word_embeddings=True,
            rope_theta=10000.0,
        ),
        head_config=HeadConfig(gen_depth=2, hi_depth=3, mlp_ratio=2),
        special_token_ids=special or SpecialTokenIds(),
    )
