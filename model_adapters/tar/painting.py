"""Writing image tokens: a batch of prompts goes on for exactly as many tokens as an image has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from harness.errors import AdapterError
from model_adapters.hf_lm.generation import padded
from model_adapters.tar.language import Language, Vocabulary
from model_adapters.tar.presets import Sampling
from model_adapters.tar.sampling import choose, penalised, uniforms

__all__ = ["Painted", "paint"]


class Painted(NamedTuple):
    """What one row wrote."""

    ids: list[int]
    """Tokens as they came; an end of message is the last."""

    codes: list[int]
    """Codes of the image, of the asked number: cut, or padded with code 0."""

    padded: int
    """How many codes are padding, because the model wrote something else."""


@torch.inference_mode()
def paint(
    language: Language,
    prompts: Sequence[list[int]],
    tokens: int,
    seeds: Sequence[int],
    sampling: Sampling,
    *,
    on_first: Callable[[], None] | None = None,
) -> list[Painted]:
    """Write the tokens of an image behind each prompt.

    Nothing keeps the model to image tokens, as upstream doesn't. Codes are read off the new tokens
    alone, so that a prompt can't smuggle any in.

    Args:
        language: The model.
        prompts: Ids of each prompt.
        tokens: Tokens of an image.
        seeds: One per row; unread at temperature 0.
        sampling: Shared by all rows. What a row draws depends on its logits and its seed alone.
        on_first: Called when the first token is chosen.

    Raises:
        AdapterError: A prompt and its image don't fit the context.
    """
    _check_room(language, prompts, tokens)
    reader = _Reader(language, prompts)
    chances = torch.stack([uniforms(seed, tokens, reader.device) for seed in seeds])
    rows: list[list[int]] = [[] for _ in prompts]
    logits, ended = reader.begin(), [False] * len(prompts)
    for step in range(tokens):
        there = _there(prompts, rows, sampling)
        logits = penalised(logits, there, sampling.repetition_penalty)
        chosen = choose(logits, sampling, chances[:, step])
        if step == 0 and on_first is not None:
            on_first()
        for number, token in enumerate(chosen.tolist()):
            if not ended[number]:
                rows[number].append(token)
                ended[number] = token == language.vocabulary.chat_end
        if all(ended) or step == tokens - 1:
            break
        logits = reader.go_on(chosen)
    return [_painted(row, tokens, language.vocabulary) for row in rows]


class _Reader:
    """The model's pass over prompts padded on the left, and over one token more at a time."""

    def __init__(self, language: Language, prompts: Sequence[list[int]]) -> None:
        self._model = language.model
        self.device = self._model.device
        self._ids, self._mask = padded(language.lm, prompts)
        self._cache: object = None

    def begin(self) -> Tensor:
        """Logits (B, vocabulary), float32, behind the prompts."""
        positions = (self._mask.cumsum(-1) - 1).clamp(min=0)
        return self._pass(self._ids, positions)

    def go_on(self, tokens: Tensor) -> Tensor:
        """The same behind one more token (B,) of each row."""
        positions = self._mask.sum(-1, keepdim=True)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        return self._pass(tokens[:, None], positions)

    def _pass(self, ids: Tensor, positions: Tensor) -> Tensor:
        out = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._cache = out.past_key_values
        logits: Tensor = out.logits[:, -1].float()
        return logits


def _there(
    prompts: Sequence[list[int]], rows: Sequence[list[int]], sampling: Sampling
) -> Sequence[list[int]]:
    """The tokens of each row that a repetition penalty counts."""
    if not sampling.penalise_prompt:
        return rows
    return [prompt + row for prompt, row in zip(prompts, rows, strict=True)]


def _painted(ids: list[int], tokens: int, vocabulary: Vocabulary) -> Painted:
    found = (vocabulary.code_of(token) for token in ids)
    codes = [code for code in found if code is not None]
    padding = tokens - len(codes)
    return Painted(ids, codes + [0] * padding, padding)


def _check_room(language: Language, prompts: Sequence[list[int]], tokens: int) -> None:
    longest, room = max(map(len, prompts)), language.lm.max_length
    if longest + tokens > room:
        raise AdapterError(
            f"a prompt of {longest} tokens and an image of {tokens} don't fit the context "
            f"of {room}",
            "shorten the prompt, or draw at a coarser scale",
        )
