"""The parts of CHEERS as probes watch them; the language model in three phases."""

from __future__ import annotations

from typing import Any

from harness.torch_support import Call, Part
from model_adapters.cheers.components import COMPONENTS
from model_adapters.cheers.model import CheersModel

__all__ = ["parts"]


def parts(model: CheersModel) -> dict[str, Part]:
    """The components, and the output embedding, which is no part of the backbone."""
    found = {name: Part(model.model.get_submodule(path)) for name, path in COMPONENTS.items()}
    per_token = _cache_bytes_per_token(model)
    image = model.config.tokens_per_image
    found["llm"] = Part(
        found["llm"].module,
        phase=lambda call: _phase(call, image),
        cache_bytes=lambda call: _cached(call, per_token),
    )
    return {**found, "lm_head": Part(model.lm_head)}


def _phase(call: Call, image: int) -> str:
    """What a forward pass of the backbone is for, by what its window holds and how much is new.

    Args:
        call: The pass.
        image: Tokens of an image. A rest of a prompt behind a shared beginning that happens to be
            just as long passes for denoising; all other rests are prefill.
    """
    count, window = call.args[0].shape[1], _window(call)
    if window is None or not any(window.lengths):
        return "prefill"
    return {1: "decode", image: "denoise"}.get(count, "prefill")


def _cached(call: Call, per_token: int) -> int:
    window = _window(call)
    return 0 if window is None else int(per_token * call.args[0].shape[0] * window.end)


def _window(call: Call) -> Any:
    return call.kwargs.get("window", call.args[3] if len(call.args) > 3 else None)


def _cache_bytes_per_token(model: CheersModel) -> int:
    text = model.config.text_config
    head = text.hidden_size // text.num_attention_heads
    return 2 * text.num_hidden_layers * text.num_key_value_heads * head * model.dtype.itemsize
