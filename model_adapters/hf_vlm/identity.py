"""What of a checkpoint, beyond its weights, changes a response."""

from __future__ import annotations

from harness.records import JsonValue
from model_adapters.described import json_sha256, plain_config, tokenizer_sha256
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
        "model": plain_config(checkpoint.model.config.to_dict(), _INCIDENTAL),
        "images": plain_config(images.to_dict(), _INCIDENTAL) if images is not None else None,
        "tokenizer_sha256": tokenizer_sha256(processor.tokenizer),
        "template_sha256": json_sha256(template),
        "stop_ids": list(checkpoint.stop_ids),
        "attention": checkpoint.model.config._attn_implementation,  # noqa: SLF001 -- has no other name
    }
