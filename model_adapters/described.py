"""Configurations and tokenizers of Hugging Face checkpoints, as fingerprints hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from harness.records import JsonValue

__all__ = ["json_sha256", "plain_config", "tokenizer_sha256"]


def plain_config(config: Mapping[str, Any], without: Collection[str]) -> JsonValue:
    """A configuration as JSON, types and classes by their names.

    Args:
        config: The configuration.
        without: Names that say where and by whom it was written.
    """
    kept = {name: value for name, value in config.items() if name not in without}
    plain: JsonValue = msgspec.json.decode(msgspec.json.encode(kept, enc_hook=str))
    return plain


def tokenizer_sha256(tokenizer: Any) -> str:
    """Hash of all that a tokenizer does to a text."""
    return json_sha256(_vocabulary(tokenizer))


def _vocabulary(tokenizer: Any) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return sorted(tokenizer.get_vocab().items())
    # Padding and truncation are settings of the last call, not of the checkpoint.
    return {**json.loads(backend.to_str()), "padding": None, "truncation": None}


def json_sha256(value: Any) -> str:
    """Hash of a value's JSON."""
    return hashlib.sha256(msgspec.json.encode(value, enc_hook=str)).hexdigest()
