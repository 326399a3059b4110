"""Choose the next token of one row."""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor

FinishReason = Literal["stop", "length", "context", "image"]
"""Why a text ended: an end token, the budget, the context length, or an image that begins."""


class Decoding(msgspec.Struct, frozen=True, kw_only=True):
    """How to decode one row's text."""

    max_new_tokens: int = 512
    """Budget of generated tokens, the end token included."""
    min_new_tokens: int = 0
    """Tokens before which no end may come; 0 is no bound."""
    temperature: float = 0.0
    """0 takes the likeliest token; above, tokens are sampled from logits / temperature."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens whose probabilities reach this; 1 is all."""
    top_k: int = 0
    """Sample from this many likeliest tokens; 0 is all."""
    num_beams: int = 1
    """Beams of a beam search; above 1 temperature, top_p and top_k must be left alone."""
    length_penalty: float = 0.0
    """Beams are compared by log-probability / length ** length_penalty; 0 compares sums."""
    repetition_penalty: float = 1.0
    """Logits of ids already generated are divided (positive) or multiplied (negative) by it."""
    stop_ids: tuple[int, ...] = ()
    """Ids that end the text besides the end-of-message id."""

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.max_new_tokens < 1 or self.num_beams < 1:
            raise ValueError("max_new_tokens and num_beams must be at least 1")
        if not 0 <= self.min_new_tokens <= self.max_new_tokens:
            raise ValueError("min_new_tokens must be between 0 and max_new_tokens")
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise ValueError("temperature and top_k must not be negative, top_p in (0, 1]")
        if self.num_beams > 1 and self.temperature > 0:
            raise ValueError("beam search takes no temperature: set num_beams=1 or temperature=0")


def penalise(logits: Tensor, generated: list[int], penalty: float) -> Tensor:
    """Make ids that were already generated less likely (Keskar et al., 2019).

    Args:
        logits: logits (vocabulary,).
        generated: ids generated so far; the prompt's do not count.
        penalty: 1 changes nothing.
    """
    if penalty == 1.0 or not generated:
        return logits
    index = torch.tensor(sorted(set(generated)), device=logits.device)
    values = logits[index]
    return logits.index_put((index,), torch.where(values > 0, values / penalty, values * penalty))


def probabilities(logits: Tensor, decoding: Decoding) -> Tensor:
    """Probabilities (vocabulary,) after temperature, top-k and top-p.

    Example:
        >>> probabilities(torch.tensor([2.0, 1.0, 0.0]), Decoding(temperature=1.0, top_k=1))
        tensor([1., 0., 0.])
    """
    scaled = logits / decoding.temperature
    if 0 < decoding.top_k < len(scaled):
        smallest = scaled.topk(decoding.top_k).values[-1]
        scaled = scaled.masked_fill(scaled < smallest, -torch.inf)
    if decoding.top_p < 1.0:
        ordered, order = scaled.softmax(-1).sort(descending=True)
        before = ordered.cumsum(-1) - ordered
        scaled = scaled.index_fill(0, order[before >= decoding.top_p], -torch.inf)
    return scaled.softmax(-1)


def choose(
    logits: Tensor, decoding: Decoding, generated: list[int], generator: torch.Generator | None
) -> int:
    """The next token of one row.

    Args:
        logits: its logits (vocabulary,), float32.
        decoding: its settings.
        generated: ids it has generated so far.
        generator: its own CPU generator; needed where the temperature is above zero.

    Raises:
        ValueError: sampling was asked for without a generator.
    """
    logits = penalise(logits, generated, decoding.repetition_penalty)
    if decoding.temperature == 0:
        return int(logits.argmax())
    if generator is None:
        raise ValueError("sampling with a temperature needs a generator for the row")
    return int(torch.multinomial(probabilities(logits.cpu(), decoding), 1, generator=generator))
