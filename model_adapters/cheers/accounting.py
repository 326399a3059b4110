"""Vision tokens of an image, and what they cost the language model."""

from __future__ import annotations

from harness.adapter import VisionTokens
from model_adapters.cheers.model import CheersModel

__all__ = ["account", "kv_cache_bytes", "prefill_flops"]


def account(model: CheersModel, width: int, height: int) -> VisionTokens:
    """Account of one image.

    Args:
        model: The model.
        width: Pixels of the picture; it is brought to the model's size whatever it is.
        height: Pixels of the picture.
    """
    config = model.config
    patches, tokens = config.vision_representation_config.grid**2, config.tokens_per_image
    return VisionTokens(
        width=width,
        height=height,
        latent_grid=(config.latent_grid, config.latent_grid),
        patches=patches,
        llm_tokens=tokens,
        prefill_flops=prefill_flops(model, tokens),
        kv_cache_bytes=kv_cache_bytes(model, tokens),
        prefill_flops_uncompressed=prefill_flops(model, patches),
        kv_cache_bytes_uncompressed=kv_cache_bytes(model, patches),
    )


def prefill_flops(model: CheersModel, tokens: int) -> float:
    """Floating-point operations of the backbone over `tokens` tokens that see each other fully.

    Two per weight and token in the linear layers, and 4 n^2 d per layer for scores and values of
    the attention; norms and activations are left out.
    """
    text = model.config.text_config
    layers = model.model.language_model.layers
    weights = sum(p.numel() for p in layers.parameters() if p.ndim == 2)
    attention = 4 * text.num_hidden_layers * text.hidden_size * tokens**2
    return float(2 * weights * tokens + attention)


def kv_cache_bytes(model: CheersModel, tokens: int) -> int:
    """Bytes of keys and values of `tokens` tokens in all layers."""
    text = model.config.text_config
    head = text.hidden_size // text.num_attention_heads
    per_token = 2 * text.num_hidden_layers * text.num_key_value_heads * head
    return per_token * tokens * model.dtype.itemsize
