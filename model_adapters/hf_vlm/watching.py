"""The parts of a vision-language model of transformers as probes watch them."""

from __future__ import annotations

from typing import Any

from harness.torch_support import Call, Part
from model_adapters.hf_vlm.accounting import cache_bytes

__all__ = ["fill_cache", "language_part", "parts", "prefill"]

_NAMES = {
    "vision": ("visual", "vision_tower", "vision_model"),
    "projector": ("multi_modal_projector", "connector"),
    "llm": ("language_model", "text_model"),
}
"""What families call their parts; a projector may also be inside the vision tower."""


def parts(model: Any) -> dict[str, Part]:
    """Vision tower, projector, language model and output embedding, as far as the model has them.

    Args:
        model: A model of `AutoModelForImageTextToText`.
    """
    inner, found = getattr(model, "model", model), dict[str, Part]()
    for name, candidates in _NAMES.items():
        modules = [getattr(inner, one) for one in candidates if hasattr(inner, one)]
        if modules:
            found[name] = Part(modules[0])
    if "llm" in found:
        found["llm"] = language_part(found["llm"].module, model)
    if hasattr(model, "lm_head"):
        found["lm_head"] = Part(model.lm_head)
    return found


def language_part(module: Any, model: Any) -> Part:
    """A language model of transformers, by prefill and decoding, with what it reads of its cache.

    Args:
        module: The language model.
        model: What has its configuration and type.
    """
    per_token = cache_bytes(model, 1)
    return Part(module, _phase, lambda call: per_token * _rows(call) * _end(call))


def prefill(model: Any, tokens: int) -> int | None:
    """Run the language model over as many tokens; bytes of the cache that they fill.

    Returns:
        Bytes; `None` where the model's parts have names of their own.
    """
    found = parts(model).get("llm")
    return None if found is None else fill_cache(found.module, model, tokens)


def fill_cache(module: Any, model: Any, tokens: int) -> int:
    """Run a language model of transformers over tokens of zeros; bytes of the cache they fill.

    Args:
        module: The language model.
        model: What has its configuration and type.
        tokens: How many.
    """
    import torch

    width = model.config.get_text_config().hidden_size
    embeds = torch.zeros(1, tokens, width, device=model.device, dtype=model.dtype)
    with torch.no_grad():
        cache = module(inputs_embeds=embeds, use_cache=True).past_key_values
    return sum(int(layer.keys.nbytes + layer.values.nbytes) for layer in cache.layers)


def _phase(call: Call) -> str:
    return "decode" if _embeds(call).shape[1] == 1 else "prefill"


def _embeds(call: Call) -> Any:
    """What goes in: embeddings (B, L, width), or ids (B, L)."""
    embeds = call.kwargs.get("inputs_embeds")
    return embeds if embeds is not None else call.kwargs.get("input_ids", *call.args[:1])


def _rows(call: Call) -> int:
    return int(_embeds(call).shape[0])


def _end(call: Call) -> int:
    """Tokens in the cache behind the call; 0 without one."""
    cache = call.kwargs.get("past_key_values")
    return 0 if cache is None else int(cache.get_seq_length()) + int(_embeds(call).shape[1])
