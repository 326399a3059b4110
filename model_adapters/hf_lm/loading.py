"""Loading a causal language model with its tokenizer: safetensors only, no foreign code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

from harness.errors import BenchError, CheckpointError

__all__ = ["LanguageModel", "load", "locate"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
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


def locate(path: str, revision: str | None) -> Path:
    """The folder of a checkpoint; a hub id is downloaded first.

    Raises:
        CheckpointError: There is no such folder and no such hub id.
    """
    folder = Path(path)
    if path and folder.is_dir():
        return folder
    if not _HUB_ID.fullmatch(path):
        raise CheckpointError(
            f"there is no checkpoint folder {path or '(none was named)'}",
            "name a folder or a hub id: --model hf-lm:FOLDER",
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path, revision=revision, allow_patterns=_FILES))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"there is no folder {path}, and the hub does not give {path}: {error}",
            "check the name and the network, or download it elsewhere and name the folder",
        ) from error


def load(folder: Path, *, dtype: str, device: str, max_length: int | None) -> LanguageModel:
    """Load model and tokenizer of a folder.

    Args:
        folder: Holds config.json, safetensors and the tokenizer's files.
        dtype: Name of a torch dtype.
        device: Torch device.
        max_length: Tokens to read at most; `None` is what the checkpoint says.

    Raises:
        CheckpointError: A file is missing or damaged, or would need code or pickles to load.
    """
    if not list(folder.glob("*.safetensors")):
        raise CheckpointError(
            f"{folder} has no .safetensors file", "convert the weights; pickles aren't loaded"
        )
    try:
        model = _model(folder, getattr(torch, dtype)).to(device).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except BenchError:
        raise
    except Exception as error:  # transformers raises whatever its many parts do
        raise CheckpointError(
            f"{folder} can't be loaded: {type(error).__name__}: {error}",
            "it must hold a causal language model that transformers knows, with its tokenizer; "
            "code that comes with checkpoints isn't run",
        ) from error
    length = max_length or _length(model.config, tokenizer)
    return LanguageModel(model, tokenizer, length, _pad(tokenizer))


def _model(folder: Path, dtype: torch.dtype) -> Any:
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    dtype_name = "dtype" if version >= (4, 56) else "torch_dtype"
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        **{dtype_name: dtype},
    )
    missing = sorted(info["missing_keys"])
    if missing:  # they'd be random
        raise CheckpointError(
            f"{folder} lacks {len(missing)} tensors, e.g. {missing[0]}", "restore the weights"
        )
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
