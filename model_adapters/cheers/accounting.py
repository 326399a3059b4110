"""Vision tokens of an image, counted on a real look, and what they cost the language model."""

from __future__ import annotations

from typing import NamedTuple

import torch

from harness.adapter import VisionTokens
from model_adapters.cheers.backbone import window_mask
from model_adapters.cheers.model import CheersModel
from model_adapters.prefill import layers_flops

__all__ = ["Look", "account", "kv_cache_bytes", "look", "prefill", "prefill_flops"]


class Look(NamedTuple):
    """What came out of each stage when the model looked at one image."""

    latent_grid: tuple[int, int]
    """Rows and columns of the VAE's latent."""

    patches: int
    """Patches that the tower attended over."""

    tokens: int
    """Tokens for the language model."""


@torch.no_grad()
def look(model: CheersModel) -> Look:
    """Look at one black image and count: shapes of real tensors, not of the configuration."""
    side = model.config.image_size
    pixels = torch.zeros(1, 3, side, side, device=model.device, dtype=model.dtype)
    latents = model.model.vae_model.encode(pixels)
    seen = model.see_latents(latents)
    rows, columns = latents.shape[2:]
    return Look((rows, columns), seen.patches.shape[1], seen.tokens.shape[1])


def account(model: CheersModel, seen: Look, width: int, height: int) -> VisionTokens:
    """Account of one image.

    Args:
        model: The model.
        seen: What it makes of any image; see `look`.
        width: Pixels of the picture; it is brought to the model's size whatever it is.
        height: Pixels of the picture.
    """
    return VisionTokens(
        width=width,
        height=height,
        latent_grid=seen.latent_grid,
        patches=seen.patches,
        llm_tokens=seen.tokens,
        prefill_flops=prefill_flops(model, seen.tokens),
        kv_cache_bytes=kv_cache_bytes(model, seen.tokens),
        prefill_flops_uncompressed=prefill_flops(model, seen.patches),
        kv_cache_bytes_uncompressed=kv_cache_bytes(model, seen.patches),
    )


def prefill_flops(model: CheersModel, tokens: int) -> float:
    """Floating-point operations of the backbone over `tokens` tokens."""
    layers = model.model.language_model.layers
    return layers_flops(layers, model.config.text_config.hidden_size, tokens)


@torch.no_grad()
def prefill(model: CheersModel, tokens: int) -> int:
    """Run the backbone over the tokens of one image; bytes of the cache that it fills."""
    backbone = model.model.language_model
    cache = backbone.new_cache(1, tokens)
    window = cache.window(tokens)
    width = model.config.text_config.hidden_size
    embeds = torch.zeros(1, tokens, width, device=model.device, dtype=model.dtype)
    backbone(embeds, window_mask(window, causal=False), window.positions, window)
    cache.commit([tokens])
    return cache.nbytes


def kv_cache_bytes(model: CheersModel, tokens: int) -> int:
    """Bytes of keys and values of `tokens` tokens in all layers."""
    text = model.config.text_config
    head = text.hidden_size // text.num_attention_heads
    per_token = 2 * text.num_hidden_layers * text.num_key_value_heads * head
    return per_token * tokens * model.dtype.itemsize
