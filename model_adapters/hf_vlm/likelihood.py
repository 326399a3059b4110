"""Log-likelihood of continuations: the prompt is read once, its cache serves all continuations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.errors import AdapterError
from model_adapters.hf_vlm.answering import generate
from model_adapters.hf_vlm.inputs import Inputs
from model_adapters.hf_vlm.loading import Checkpoint

__all__ = ["loglikelihoods"]


@torch.no_grad()
def loglikelihoods(
    checkpoint: Checkpoint, inputs: Inputs, continuations: Sequence[Sequence[str]]
) -> list[tuple[float, ...]]:
    """Sum of the log-probabilities of each continuation's tokens, in nats.

    A continuation is tokenized by itself and follows the prompt's tokens. Pictures and prompt pass
    the model once; the continuations of all rows then share one forward pass over copies of the
    prompts' keys and values.

    Args:
        checkpoint: Model and processor.
        inputs: The prompts, padded on the left.
        continuations: Texts per row.

    Raises:
        AdapterError: A continuation has no tokens, or doesn't fit the context.
    """
    tokens = [[_ids(checkpoint, text) for text in texts] for texts in continuations]
    _check(tokens, inputs.lengths, checkpoint.context)
    owners = [row for row, texts in enumerate(tokens) for _ in texts]
    flat = [ids for texts in tokens for ids in texts]
    read = generate(checkpoint, inputs, max_new_tokens=1, output_logits=True)
    first = read.logits[0].float().log_softmax(-1)
    scores = [float(first[row, ids[0]]) for row, ids in zip(owners, flat, strict=True)]
    if max(map(len, flat)) > 1:
        rest = _rest(checkpoint, inputs, read.past_key_values, owners, flat)
        scores = [one + more for one, more in zip(scores, rest, strict=True)]
    totals = iter(scores)
    return [tuple(min(0.0, next(totals)) for _ in texts) for texts in tokens]


def _ids(checkpoint: Checkpoint, text: str) -> list[int]:
    ids: list[int] = checkpoint.processor.tokenizer.encode(text, add_special_tokens=False)
    return ids


def _check(tokens: Sequence[Any], lengths: Sequence[int], context: int | None) -> None:
    for row, (texts, length) in enumerate(zip(tokens, lengths, strict=True)):
        for place, ids in enumerate(texts):
            if not ids:
                raise AdapterError(
                    f"row {row}: continuation {place} has no tokens", "give at least one character"
                )
            if context is not None and length + len(ids) > context:
                raise AdapterError(
                    f"row {row}: prompt and continuation {place} have {length + len(ids)} tokens, "
                    f"the context holds {context}",
                    "shorten the prompt",
                )


def _rest(
    checkpoint: Checkpoint,
    inputs: Inputs,
    cache: Any,
    owners: Sequence[int],
    flat: Sequence[Sequence[int]],
) -> list[float]:
    """Log-probability of each continuation behind its first token."""
    model = checkpoint.model
    index = torch.tensor(owners, device=model.device)
    cache.batch_select_indices(index)
    ids, mask = _padded_right([part[:-1] or part for part in flat], model.device)
    logits = model(
        input_ids=ids,
        attention_mask=torch.cat([inputs.tensors["attention_mask"][index], mask], dim=1),
        position_ids=_positions(model, inputs, index, ids.shape[1]),
        past_key_values=cache,
        use_cache=True,
    ).logits
    return [_score(logits[place], part[1:]) for place, part in enumerate(flat)]


def _padded_right(parts: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    """Ids and mask (rows, longest); what stands behind a row's end sees it, and isn't seen."""
    longest = max(map(len, parts))
    ids = [[*part, *[0] * (longest - len(part))] for part in parts]
    mask = [[1] * len(part) + [0] * (longest - len(part)) for part in parts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _positions(model: Any, inputs: Inputs, index: Tensor, count: int) -> Tensor:
    """Positions (rows, count) behind the prompts; (3, rows, count) for multimodal rotation.

    With the latter (Qwen2-VL, arXiv 2409.12191) a picture takes fewer positions than it has
    tokens; the model keeps the difference of each prompt that it has just read.
    """
    lengths = torch.tensor(inputs.lengths, device=model.device)[index]
    positions = lengths[:, None] + torch.arange(count, device=model.device)
    shift = getattr(getattr(model, "model", model), "rope_deltas", None)
    if shift is None:
        return positions
    moved: Tensor = positions + shift.to(model.device).reshape(-1)[index][:, None]
    return moved[None].expand(3, -1, -1)


def _score(logits: Tensor, ids: Sequence[int]) -> float:
    """Sum over n ids of their log-probabilities under the first n rows of logits."""
    if not ids:
        return 0.0
    chances = logits[: len(ids)].float().log_softmax(-1)
    chosen = chances.gather(1, torch.tensor(ids, device=logits.device)[:, None])
    return float(chosen.double().sum())
