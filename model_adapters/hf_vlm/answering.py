"""Decoding a batch of answers with transformers' `generate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from harness.errors import AdapterError
from harness.records import FinishReason, TextDecoding
from harness.text import cut_at_stop
from model_adapters.hf_vlm.inputs import Inputs
from model_adapters.hf_vlm.loading import Checkpoint
from model_adapters.hf_vlm.sampling import RowSampler
from model_adapters.hf_vlm.stopping import RowStops

__all__ = ["Answer", "Answers", "decode", "generate", "searches_alone"]

_IGNORES_PROCESSORS = frozenset({"janus"})
"""Model types whose own `generate` drops logits processors when it writes text; the general one
serves them as well."""


class Answer(NamedTuple):
    """One row's answer."""

    text: str
    """Without special tokens, cut at the first stop string."""

    tokens: int
    """Tokens generated, the end token included."""

    finish: FinishReason
    """Why it ended."""


class Answers(NamedTuple):
    """What came of a batch."""

    rows: list[Answer]
    """One per row."""

    first: float | None
    """`time.perf_counter()` at the first token; `None` with beams, whose tokens come at the end."""


def searches_alone(decoding: TextDecoding) -> bool:
    """Whether rows are served one by one, since beams are searched row by row.

    Raises:
        AdapterError: Beams are to be sampled.
    """
    if decoding.num_beams > 1 and decoding.temperature > 0:
        raise AdapterError("beam search takes no temperature", "set num_beams=1 or temperature=0")
    return decoding.num_beams > 1


def decode(
    checkpoint: Checkpoint,
    inputs: Inputs,
    decoding: TextDecoding,
    seeds: Sequence[int],
    device: str,
) -> Answers:
    """Decode answers.

    Args:
        checkpoint: Model and processor.
        inputs: The batch; a single row where there are beams.
        decoding: Shared by all rows.
        seeds: Sampling seed per row.
        device: Where the model is.
    """
    sampler = RowSampler(seeds, decoding.temperature, decoding.top_p, device)
    budgets = [_budget(length, checkpoint, decoding) for length in inputs.lengths]
    stops = RowStops(checkpoint.processor.tokenizer, inputs.width, budgets, decoding.stop)
    made = generate(
        checkpoint,
        inputs,
        max_new_tokens=max(budgets),
        min_new_tokens=decoding.min_new_tokens or None,
        num_beams=decoding.num_beams,
        logits_processor=[sampler] if decoding.num_beams == 1 else [],
        stopping_criteria=[stops],
    )
    if decoding.num_beams == 1 and sampler.first is None:
        raise AdapterError(
            f"{type(checkpoint.model).__name__}.generate ignores logits processors",
            "its sampling can't be seeded per row; write an adapter: docs/add-a-model.md",
        )
    new = made.sequences[:, inputs.width :].tolist()
    return Answers(
        [
            _answer(checkpoint, ids[:end], decoding, short=budget < decoding.max_new_tokens)
            for ids, end, budget in zip(new, stops.ends, budgets, strict=True)
        ],
        sampler.first,
    )


@torch.no_grad()
def generate(checkpoint: Checkpoint, inputs: Inputs, **options: Any) -> Any:
    """Call `generate` with nothing but what is asked for: the checkpoint's settings are forgotten.

    Returns:
        The output with `sequences` (rows, prompt and new tokens) and `past_key_values`.
    """
    from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList
    from transformers.generation import StoppingCriteriaList

    model, tokenizer = checkpoint.model, checkpoint.processor.tokenizer
    processors = LogitsProcessorList(options.pop("logits_processor", []))
    criteria = StoppingCriteriaList(options.pop("stopping_criteria", []))
    config = GenerationConfig(
        do_sample=False,
        eos_token_id=list(checkpoint.stop_ids) or None,
        pad_token_id=tokenizer.pad_token_id,
        return_dict_in_generate=True,
        **options,
    )
    general = model.config.model_type in _IGNORES_PROCESSORS
    call = GenerationMixin.generate if general else type(model).generate
    return call(
        model,
        **inputs.tensors,
        generation_config=config,
        logits_processor=processors,
        stopping_criteria=criteria,
    )


def _budget(length: int, checkpoint: Checkpoint, decoding: TextDecoding) -> int:
    room = decoding.max_new_tokens if checkpoint.context is None else checkpoint.context - length
    return min(decoding.max_new_tokens, room)


def _answer(
    checkpoint: Checkpoint, ids: list[int], decoding: TextDecoding, *, short: bool
) -> Answer:
    """One row's answer.

    Args:
        checkpoint: Model and processor.
        ids: New tokens, with anything behind an end token.
        decoding: How it was decoded.
        short: Whether the context left less room than was asked for.
    """
    tokenizer, stop_ids = checkpoint.processor.tokenizer, checkpoint.stop_ids
    ends = [place for place, token in enumerate(ids) if token in stop_ids]
    kept = ids[: ends[0] + 1] if ends else ids
    whole = tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    text, stopped = cut_at_stop(whole, decoding.stop)
    if stopped or ends:
        return Answer(text, len(kept), FinishReason.STOP)
    return Answer(text, len(kept), FinishReason.CONTEXT if short else FinishReason.LENGTH)
