"""Loading a causal language model with its tokenizer: safetensors only, no foreign code."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

from harness.errors import BenchError, CheckpointError
from model_adapters.hf_vlm.quiet import quietly
from model_adapters.tensors import check_tensors, demand_safetensors

__all__ = ["LanguageModel", "load"]

_FALLBACK_LENGTH = 2048
_INFINITY = 10**18  # tokenizers without a length say about 1e30


class LanguageModel(NamedTuple):
    """A model in evaluation mode, ready to run."""

    model: Any
    """The `PreTrainedModel`."""

    tokenizer: Any
    """Its tokenizer."""

    max_length: int
    """Tokens that it can read."""

    pad: int
    """Id that fills batches; masks hide it."""


def load(
    folder: Path, *, dtype: str, device: str, max_length: int | None, extra_tensors: bool = False
) -> LanguageModel:
    """Load model and tokenizer of a folder.

    Args:
        folder: Holds config.json, safetensors and the tokenizer's files.
        dtype: Name of a torch dtype.
        device: Torch device.
        max_length: Tokens to read at most; `None` is what the checkpoint says.
        extra_tensors: Whether tensors that the model has no place for are ignored.

    Raises:
        CheckpointError: A file is missing or damaged, or would need code or pickles to load; a
            tensor is missing, superfluous or misshapen.
    """
    demand_safetensors(folder)
    try:
        with quietly():
            model = _model(folder, getattr(torch, dtype), extra_tensors=extra_tensors)
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
    except (BenchError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # transformers raises whatever its many parts do
        raise CheckpointError(
            f"{folder} can't be loaded: {type(error).__name__}: {error}",
            "it must hold a causal language model that transformers knows, with its tokenizer; "
            "code that comes with checkpoints isn't run",
        ) from error
    length = max_length or _length(model.config, tokenizer)
    return LanguageModel(model.to(device).eval(), tokenizer, length, _pad(tokenizer))


def _model(folder: Path, dtype: torch.dtype, *, extra_tensors: bool) -> Any:
    model, found = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # reported below, with names
        output_loading_info=True,
    )
    check_tensors(folder, found, extra_tensors=extra_tensors)
    return model


def _length(config: Any, tokenizer: Any) -> int:
    """Context length; of a model with several parts, that of its text part."""
    text = getattr(config, "text_config", None) or config
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        if getattr(text, name, None) is not None:
            return int(getattr(text, name))
    length = getattr(tokenizer, "model_max_length", None)
    return int(length) if length is not None and length < _INFINITY else _FALLBACK_LENGTH


def _pad(tokenizer: Any) -> int:
    ids = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id)
    return int(next((id_ for id_ in ids if id_ is not None), 0))
