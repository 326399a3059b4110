"""The language model as a speaker: what hf-vlm's decoding and scoring need to drive it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from model_adapters.hf_lm.generation import padded
from model_adapters.hf_vlm.inputs import Inputs, check_room
from model_adapters.hf_vlm.loading import Checkpoint
from model_adapters.tar.language import Language
from model_adapters.tar.prompts import answer_prompt

__all__ = ["prepare", "speaker"]


class _Words:
    """A tokenizer in which image and scale tokens have no text, and names of tokens no meaning.

    They aren't special tokens in the released tokenizer, so that an answer would spell them.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self.pad_token_id = language.lm.pad

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Ids of a continuation."""
        del add_special_tokens  # there are none that a text begins or ends with
        return self._language.encode(text)

    def decode(self, ids: Any, **options: Any) -> str:
        """Text of ids."""
        known = self._language.vocabulary
        spoken = [
            token
            for token in map(int, ids)
            if known.code_of(token) is None and token not in known.scales
        ]
        text: str = self._language.lm.tokenizer.decode(spoken, **options)
        return text


def speaker(language: Language) -> Checkpoint:
    """The language model as hf-vlm knows models."""
    return Checkpoint(
        model=language.model,
        processor=SimpleNamespace(tokenizer=_Words(language)),
        stop_ids=tuple(language.model.generation_config.eos_token_id),
        image_token_id=None,  # prompts are made below
        control_tokens=(),
        context=language.lm.max_length,
    )


def prepare(
    language: Language, prompts: Sequence[str], codes: Sequence[Sequence[Sequence[int]]]
) -> Inputs:
    """A batch of questions, padded on the left.

    Args:
        language: Model and tokenizer.
        prompts: Text of each user message.
        codes: Codes of each picture of each message.

    Raises:
        AdapterError: A prompt doesn't fit the context.
    """
    rows = [
        answer_prompt(language, text, pictures)
        for text, pictures in zip(prompts, codes, strict=True)
    ]
    lengths = [len(row) for row in rows]
    check_room(lengths, language.lm.max_length)
    ids, mask = padded(language.lm, rows)
    seen = [sum(map(len, pictures)) for pictures in codes]
    return Inputs({"input_ids": ids, "attention_mask": mask}, lengths, list(seen))
