"""What of a pipeline, beyond its weights, changes a picture."""

from __future__ import annotations

from typing import Any

from harness.records import JsonValue
from model_adapters.described import plain_config, tokenizer_sha256

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
        return {"sha256": tokenizer_sha256(part), "length": str(part.model_max_length)}
    config = getattr(part, "config", None)
    if config is None and hasattr(part, "to_dict"):
        config = part
    if config is None:
        return {}
    plain = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    return {"config": plain_config(plain, _INCIDENTAL)}
