"""What of a checkpoint, beyond its weights, changes a response."""

from __future__ import annotations

import msgspec
from torch import nn

from harness.records import JsonValue
from model_adapters.described import plain_config, tokenizer_sha256
from model_adapters.tar.arguments import Settings
from model_adapters.tar.checkpoint import Parts
from model_adapters.tar.presets import sampling_of

__all__ = ["defaults", "describe", "networks"]

_INCIDENTAL = ("_name_or_path", "transformers_version", "_commit_hash")
"""Where and by whom a configuration was written."""


def networks(parts: Parts) -> nn.ModuleDict:
    """Every network, for the hash of the weights and their number."""
    drawing = parts.detokenizer.modules if parts.detokenizer is not None else {}
    return nn.ModuleDict({"llm": parts.language.model, "ta_tok": parts.ta_tok, **drawing})


def describe(parts: Parts, settings: Settings) -> dict[str, JsonValue]:
    """Configurations of all parts, the tokenizer by hash, and how pictures are read."""
    model = parts.language.model
    return {
        "language": plain_config(model.config.to_dict(), _INCIDENTAL),
        "attention": model.config._attn_implementation,  # noqa: SLF001 -- has no other name
        "tokenizer_sha256": tokenizer_sha256(parts.language.lm.tokenizer),
        "ta_tok": msgspec.to_builtins(parts.ta_tok.settings),
        "detokenizer": parts.detokenizer.describe() if parts.detokenizer is not None else None,
        "reading": {
            "scale": settings.read_scale,
            "tokens": parts.ta_tok.tokens(settings.read_scale),
            "image_tokens": settings.preset.image_tokens,
            "preprocess": settings.preset.preprocess,
        },
    }


def defaults(parts: Parts, settings: Settings) -> dict[str, JsonValue]:
    """How pictures are drawn where a request leaves it open; the preset's name is for readers."""
    if parts.detokenizer is None:
        return {"preset": settings.name}
    sampling = sampling_of(settings.preset, parts.language.generation)
    return {
        "preset": settings.name,
        "scale": settings.draw_scale,
        "tokens": parts.ta_tok.tokens(settings.draw_scale),
        "image_token_sampling": msgspec.to_builtins(sampling),
        **parts.detokenizer.defaults,
    }
