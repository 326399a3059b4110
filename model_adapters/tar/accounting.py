"""Vision tokens of a picture, and what they cost the language model."""

from __future__ import annotations

from harness.adapter import VisionTokens
from model_adapters.hf_vlm.accounting import cache_bytes
from model_adapters.prefill import layers_flops
from model_adapters.tar.checkpoint import Parts

__all__ = ["account"]


def account(parts: Parts, scale: int, width: int, height: int) -> VisionTokens:
    """Account of one picture.

    Args:
        parts: The model.
        scale: 0, 1 or 2.
        width: Pixels; every picture is brought to the tower's size, whatever it is.
        height: Pixels.
    """
    tokens, patches = parts.ta_tok.tokens(scale), parts.ta_tok.patches
    model = parts.language.model
    layers, hidden = model.model.layers, model.config.hidden_size
    return VisionTokens(
        width=width,
        height=height,
        latent_grid=None,
        patches=patches,
        llm_tokens=tokens,
        prefill_flops=layers_flops(layers, hidden, tokens),
        kv_cache_bytes=cache_bytes(model, tokens),
        prefill_flops_uncompressed=layers_flops(layers, hidden, patches),
        kv_cache_bytes_uncompressed=cache_bytes(model, patches),
    )
