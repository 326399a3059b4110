"""What of a checkpoint, beyond its weights, changes a response."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from harness.records import JsonValue
from model_adapters.hf_vlm.loading import Checkpoint

__all__ = ["describe"]

_INCIDENTAL = ("_name_or_path", "transformers_version", "_commit_hash")
"""Where and by whom a configuration was written."""


def describe(checkpoint: Checkpoint) -> dict[str, JsonValue]:
    """Configuration of model and picture processor, and hashes of tokenizer and template."""
    processor = checkpoint.processor
    template = processor.chat_template or processor.tokenizer.chat_template
    images = getattr(processor, "image_processor", None)
    return {
        "architecture": type(checkpoint.model).__name__,
        "model": _plain(checkpoint.model.config.to_dict()),
        "images": _plain(images.to_dict()) if images is not None else None,
        "tokenizer_sha256": _sha256(_vocabulary(processor.tokenizer)),
        "template_sha256": _sha256(template),
        "stop_ids": list(checkpoint.stop_ids),
        "attention": checkpoint.model.config._attn_implementation,  # noqa: SLF001 -- has no other name
    }


def _plain(config: dict[str, Any]) -> JsonValue:
    """As JSON; types and classes by their names."""
    kept = {name: value for name, value in config.items() if name not in _INCIDENTAL}
    plain: JsonValue = msgspec.json.decode(msgspec.json.encode(kept, enc_hook=str))
    return plain


def _vocabulary(tokenizer: Any) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return sorted(tokenizer.get_vocab().items())
    # Padding and truncation are settings of the last call, not of the checkpoint.
    return {**json.loads(backend.to_str()), "padding": None, "truncation": None}


def _sha256(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, enc_hook=str)).hexdigest()
