"""Loading model and processor, strictly: safetensors alone, no code, no weight left to chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from harness.errors import CheckpointError
from model_adapters.hf_vlm.quiet import quietly
from model_adapters.tensors import check_tensors, demand_safetensors

__all__ = ["Checkpoint", "load"]

_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")


class Checkpoint(NamedTuple):
    """A loaded model with what is needed to talk to it."""

    model: Any
    """The model, in evaluation mode."""

    processor: Any
    """Its processor, whose tokenizer pads on the left."""

    stop_ids: tuple[int, ...]
    """Ids that end an answer."""

    image_token_id: int | None
    """Id that stands for one vision token in a prompt; `None` if the model has none."""

    control_tokens: tuple[str, ...]
    """Texts that the tokenizer reads as tokens of their own, such as an end of message."""

    context: int | None
    """Tokens that fit into the context; `None` if the configuration doesn't say."""


def load(
    folder: Path, dtype: str, device: str, attention: str | None, *, extra_tensors: bool = False
) -> Checkpoint:
    """Load a checkpoint folder.

    Args:
        folder: With config.json, safetensors, tokenizer and processor files.
        dtype: Type of the weights, such as "bfloat16".
        device: Where they go.
        attention: Implementation of attention; `None` leaves the choice to transformers.
        extra_tensors: Whether tensors that the model has no place for are ignored.

    Raises:
        CheckpointError: Something is missing, extra, misshapen, truncated, or needs code of its
            own; the message names it.
    """
    _check_files(folder)
    with quietly(), _explained(folder):
        model, found = _model(folder, dtype, attention)
        processor = _processor(folder)
    check_tensors(folder, found, extra_tensors=extra_tensors)
    _check_kind(folder, model, processor)
    stop_ids = _stop_ids(model, processor.tokenizer)
    _forget_decoding(model)
    return Checkpoint(
        model=model.to(device).eval(),
        processor=_padding_left(processor),
        stop_ids=stop_ids,
        image_token_id=_image_token_id(model, processor),
        control_tokens=_control_tokens(processor.tokenizer),
        context=getattr(model.config.get_text_config(), "max_position_embeddings", None),
    )


def _check_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder / 'config.json'} is missing", "complete the folder")
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise CheckpointError(
            f"{folder} has no tokenizer: none of {', '.join(_VOCABULARIES)}", "complete the folder"
        )
    demand_safetensors(folder)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Whatever transformers raises while it loads, with the folder's name and a remedy."""
    from safetensors import SafetensorError

    try:
        yield
    except (CheckpointError, MemoryError, torch.OutOfMemoryError):
        raise
    except SafetensorError as error:
        raise CheckpointError(
            f"{folder}: its weights can't be read as safetensors ({error}); they may be truncated",
            "download them again and compare sizes or sha256",
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"{folder} can't be loaded: {type(error).__name__}: {error}",
            "it must be a model that this version of transformers knows as "
            "AutoModelForImageTextToText, without code of its own",
        ) from error


def _model(folder: Path, dtype: str, attention: str | None) -> tuple[Any, Mapping[str, Any]]:
    from transformers import AutoModelForImageTextToText

    model, found = AutoModelForImageTextToText.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        attn_implementation=attention,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # reported below, with names
        output_loading_info=True,
    )
    return model, found


def _processor(folder: Path) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _check_kind(folder: Path, model: Any, processor: Any) -> None:
    if model.config.is_encoder_decoder:
        raise CheckpointError(
            f"{folder}: {type(model).__name__} has an encoder and a decoder",
            "hf-vlm drives decoder-only models; write an adapter: docs/add-a-model.md",
        )
    if getattr(processor, "tokenizer", None) is None:
        raise CheckpointError(f"{folder} has no processor", "add its processor_config.json")
    if not (processor.chat_template or getattr(processor.tokenizer, "chat_template", None)):
        raise CheckpointError(
            f"{folder} has no chat template", "add chat_template.jinja of the checkpoint"
        )


def _stop_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The checkpoint's end tokens: of generation_config.json, else config.json, else tokenizer."""
    sources: tuple[Callable[[], Any], ...] = (
        lambda: model.generation_config.eos_token_id,
        lambda: model.config.get_text_config().eos_token_id,
        lambda: tokenizer.eos_token_id,
    )
    for source in sources:
        found = source()
        if found is not None:
            return tuple(found) if isinstance(found, list) else (int(found),)
    return ()


def _forget_decoding(model: Any) -> None:
    """Keep a checkpoint's sampling settings and penalties out of decoding that tasks state."""
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig()


def _padding_left(processor: Any) -> Any:
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"  # new tokens must follow the prompt
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # never attended, so any id will do
    return processor


def _control_tokens(tokenizer: Any) -> tuple[str, ...]:
    added = (str(token) for token in tokenizer.added_tokens_decoder.values())
    return tuple(sorted({*tokenizer.all_special_tokens, *added} - {""}))


def _image_token_id(model: Any, processor: Any) -> int | None:
    for owner in (model.config, processor):
        for name in ("image_token_id", "image_token_index"):
            found = getattr(owner, name, None)
            if isinstance(found, int):
                return found
    return None
