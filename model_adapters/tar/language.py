"""The language model: plain Qwen2 whose vocabulary holds image tokens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch

from harness.errors import CheckpointError
from model_adapters.hf_lm.loading import LanguageModel
from model_adapters.hf_vlm.quiet import quietly
from model_adapters.tensors import demand_safetensors

__all__ = ["Language", "Vocabulary", "load_language"]

_TOWER = re.compile(r"(?:model\.)*vision_tower\.")
"""Weights of the tokenizer that the training script saves again with the language model."""

_TYPES = ("qwen2", "llava_qwen")
"""Model types of released configurations; the second adds a tokenizer, and nothing else."""

SCALES = 3
"""Scale tokens `<S0>`, `<S1>`, `<S2>`."""


class Vocabulary(NamedTuple):
    """Ids of the tokens with a meaning, looked up by name."""

    chat_start: int
    """`<|im_start|>`: a message begins."""

    chat_end: int
    """`<|im_end|>`: a message ends."""

    image_start: int
    """`<im_start>`: an image begins."""

    scales: tuple[int, ...]
    """`<S0>` to `<S2>`."""

    first_code: int
    """`<I0>`; code k is k behind it."""

    codes: int
    """Number of codes."""

    def code_of(self, token: int) -> int | None:
        """The code of a token, if it's one."""
        code = token - self.first_code
        return code if 0 <= code < self.codes else None


class Language(NamedTuple):
    """The model with all that is needed to write prompts for it."""

    lm: LanguageModel
    """Model, tokenizer, context length, padding."""

    vocabulary: Vocabulary
    """Ids with a meaning."""

    plain: Any
    """A tokenizer of the same vocabulary that knows no token by name: text stays text."""

    generation: dict[str, Any]
    """What the checkpoint's `generation_config.json` says; only presets that ask for it heed it."""

    @property
    def model(self) -> Any:
        """The `Qwen2ForCausalLM`."""
        return self.lm.model

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which names of tokens mean nothing."""
        ids: list[int] = self.plain.encode(text, add_special_tokens=False).ids
        return ids


def load_language(folder: Path, dtype: str, device: str, codes: int) -> Language:
    """Load a released language model folder.

    Args:
        folder: With config.json, safetensors and the tokenizer's files.
        dtype: Name of a torch dtype.
        device: Torch device.
        codes: Size of TA-Tok's codebook.

    Raises:
        CheckpointError: Something is missing, damaged, or of another model.
    """
    from transformers import AutoTokenizer

    config = _config(folder)
    demand_safetensors(folder)
    try:
        with quietly():
            model = _model(folder, config, getattr(torch, dtype)).to(device).eval()
            tokenizer = AutoTokenizer.from_pretrained(
                folder, config=config, trust_remote_code=False, local_files_only=True
            )
    except (CheckpointError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # transformers raises whatever its many parts do
        raise CheckpointError(
            f"{folder} can't be loaded: {type(error).__name__}: {error}",
            "give the folder of a Tar language model, such as csuhan/Tar-1.5B",
        ) from error
    vocabulary = _vocabulary(folder, tokenizer, codes)
    _check_rows(folder, model, vocabulary)
    generation = _forget_generation(folder, model, tokenizer, vocabulary)
    lm = LanguageModel(model, tokenizer, config.max_position_embeddings, tokenizer.pad_token_id)
    return Language(lm, vocabulary, _without_names(tokenizer), generation)


def _config(folder: Path) -> Any:
    """The configuration as plain Qwen2's."""
    from transformers import Qwen2Config

    found = _json(folder / "config.json")
    if found.pop("model_type", None) not in _TYPES:
        raise CheckpointError(
            f"{folder / 'config.json'} isn't of a Tar language model",
            f"its model_type must be one of {', '.join(_TYPES)}",
        )
    return Qwen2Config(**{k: v for k, v in found.items() if k not in ("auto_map", "torch_dtype")})


def _model(folder: Path, config: Any, dtype: torch.dtype) -> Any:
    from transformers import Qwen2ForCausalLM

    model, found = Qwen2ForCausalLM.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,  # reported below, with names
        output_loading_info=True,
    )
    wrong = {
        "lacks": sorted(found["missing_keys"]),
        "misshapes": sorted(str(one[0]) for one in found["mismatched_keys"]),
        "holds superfluous": sorted(n for n in found["unexpected_keys"] if not _TOWER.match(n)),
    }
    for what, names in wrong.items():
        if names:
            raise CheckpointError(
                f"{folder} {what} {len(names)} tensors, e.g. {names[0]}",
                "use the weights and the config.json of one checkpoint",
            )
    return model


def _vocabulary(folder: Path, tokenizer: Any, codes: int) -> Vocabulary:
    known = tokenizer.get_vocab()

    def find(name: str) -> int:
        if name not in known:
            raise CheckpointError(
                f"the tokenizer in {folder} has no token {name}",
                "use the language model and the TA-Tok of one release",
            )
        return int(known[name])

    first = find("<I0>")
    moved = next((k for k in range(codes) if find(f"<I{k}>") != first + k), None)
    if moved is not None:
        raise CheckpointError(
            f"the tokenizer in {folder} gives <I{moved}> the id {find(f'<I{moved}>')}, "
            f"not {first + moved}",
            "image tokens must follow each other",
        )
    return Vocabulary(
        chat_start=find("<|im_start|>"),
        chat_end=find("<|im_end|>"),
        image_start=find("<im_start>"),
        scales=tuple(find(f"<S{k}>") for k in range(SCALES)),
        first_code=first,
        codes=codes,
    )


def _check_rows(folder: Path, model: Any, vocabulary: Vocabulary) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    last = vocabulary.first_code + vocabulary.codes - 1
    if last >= rows:
        raise CheckpointError(
            f"{folder} embeds {rows} tokens, but its tokenizer gives an image token the id {last}",
            "use the weights and the tokenizer of one checkpoint",
        )


def _forget_generation(
    folder: Path, model: Any, tokenizer: Any, vocabulary: Vocabulary
) -> dict[str, Any]:
    """Keep the checkpoint's sampling out of what tasks state; what it says."""
    from transformers import GenerationConfig

    path = folder / "generation_config.json"
    ends = sorted({vocabulary.chat_end, tokenizer.eos_token_id or vocabulary.chat_end})
    model.generation_config = GenerationConfig(
        eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
    )
    stored = _json(path) if path.is_file() else {}
    return {k: stored[k] for k in ("top_k", "top_p", "repetition_penalty") if k in stored}


def _without_names(tokenizer: Any) -> Any:
    """The tokenizer without added tokens, which are what names are read by."""
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    return Tokenizer.from_str(json.dumps(state))


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing", "complete the folder")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} isn't JSON: {error}", "download it again") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} isn't a JSON object", "download it again")
    return found
