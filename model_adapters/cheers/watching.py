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
    found["llm"] = Part(
        found["llm"].module, phase=_phase, cache_bytes=lambda call: _cached(call, per_token)
    )
    return {**found, "lm_head": Part(model.lm_head)}


def _phase(call: Call) -> str:
    """What a forward pass of the backbone is for: its window says how much it already holds."""
    embeds, window = call.args[0], _window(call)
    if window is None or not any(window.lengths):
        return "prefill"
    return "decode" if embeds.shape[1] == 1 else "denoise"


def _cached(call: Call, per_token: int) -> int:
    window = _window(call)
    return 0 if window is None else int(per_token * call.args[0].shape[0] * window.end)


def _window(call: Call) -> Any:
    return call.kwargs.get("window", call.args[3] if len(call.args) > 3 else None)


def _cache_bytes_per_token(model: CheersModel) -> int:
    text = model.config.text_config
    head = text.hidden_size // text.num_attention_heads
    return 2 * text.num_hidden_layers * text.num_key_value_heads * head * model.dtype.itemsize
