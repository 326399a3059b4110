"""The components of the model by name, and watching them; the language model in three phases."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from harness.components import ComponentWork
from harness.torch_support import Call, Part, watch_parts
from model_adapters.cheers.model import CheersModel

__all__ = ["COMPONENTS", "watch_components"]

COMPONENTS = {
    "vae_encode": "vae_model.encoder",
    "vae_decode": "vae_model.decoder",
    "decoder_projector": "vae_decoder_projector",
    "tower": "vision_representation",
    "und_projector": "und_projector",
    "llm": "language_model",
    "time_embed": "time_embed",
    "gen_projector": "gen_projector",
    "hi_gate": "hi_gate",
    "hi_projector": "hi_projector",
}
"""Where each component lives below `CheersModel.model`; no two of them contain each other."""


def watch_components(
    model: CheersModel, *, count: bool
) -> AbstractContextManager[Mapping[str, ComponentWork]]:
    """Watch every component, and the output embedding, while the block runs.

    Args:
        model: The model.
        count: Count operations and bytes instead of taking time.

    Returns:
        Context whose mapping is filled when it ends: what each component that ran took, by name;
        the language model is `llm/prefill`, `llm/decode` and `llm/denoise`.

    Example:
        with watch_components(model, count=False) as watched:
            generate_text(model, prompts, Decoding())
        print(seconds_by_component(watched))  # of `harness.components`
    """
    return watch_parts(_parts(model), str(model.device), count=count)


def _parts(model: CheersModel) -> dict[str, Part]:
    found = {name: Part(model.model.get_submodule(path)) for name, path in COMPONENTS.items()}
    tower = found["tower"].module
    found["tower"] = Part(tower, unused=(tower.get_submodule("head"),))
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
