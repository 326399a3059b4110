"""What of a pipeline, beyond its weights, changes a picture."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from harness.records import JsonValue

__all__ = ["describe"]

_INCIDENTAL = (
    "_name_or_path",
    "_diffusers_version",
    "_commit_hash",
    "_use_default_values",
    "transformers_version",
)
"""Where and by whom a configuration was written."""


def describe(pipeline: Any) -> dict[str, JsonValue]:
    """Class of the pipeline, its safety checker, and class and configuration of each component."""
    parts = sorted(pipeline.components.items())
    return {
        "pipeline": type(pipeline).__name__,
        "safety_checker": _safety(pipeline),
        "watermark": "off",
        "components": {
            name: {"class": type(part).__name__, **_part(part)}
            for name, part in parts
            if part is not None
        },
    }


def _safety(pipeline: Any) -> str:
    if "safety_checker" not in pipeline.components:
        return "absent"
    return "off" if pipeline.safety_checker is None else "on"


def _part(part: Any) -> dict[str, JsonValue]:
    if hasattr(part, "get_vocab"):
        return {"sha256": _sha256(_vocabulary(part)), "length": str(part.model_max_length)}
    config = getattr(part, "config", None)
    if config is None and hasattr(part, "to_dict"):
        config = part
    if config is None:
        return {}
    plain = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    return {"config": _plain(plain)}


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
