"""Choose the next token of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import torch
from torch import Tensor

FinishReason = Literal["stop", "length", "context", "image"]
"""Why a text ended: an end token, the budget, the context length, or an image that begins."""

_USUAL_NUCLEUS = 1024
"""Likeliest tokens that are sorted first for top-p; only where they don't reach it are more."""


_NO_NUMBERS = "the logits of a row aren't numbers: no token can be chosen by them"


class Decoding(msgspec.Struct, frozen=True, kw_only=True):
    """How to decode one row's text."""

    max_new_tokens: int = 512
    """Budget of generated tokens, the end token included."""
    min_new_tokens: int = 0
    """Tokens before which no end may come; 0 is no bound."""
    temperature: float = 0.0
    """0 takes the likeliest token; above, tokens are sampled from logits / temperature."""
    top_p: float = 1.0
    """Sample from the likeliest tokens whose probabilities just reach this; 1 is all."""
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
    """Probabilities (..., vocabulary) after temperature, top-k and top-p.

    Tokens as likely as the last that is kept are kept with it, so that no order among equals
    decides.

    Example:
        >>> probabilities(torch.tensor([2.0, 1.0, 0.0]), Decoding(temperature=1.0, top_k=1))
        tensor([1., 0., 0.])
    """
    scaled = logits / decoding.temperature
    if 0 < decoding.top_k < scaled.shape[-1]:
        smallest = scaled.topk(decoding.top_k).values[..., -1:]
        scaled = scaled.masked_fill(scaled < smallest, -torch.inf)
    found = scaled.softmax(-1)
    if decoding.top_p < 1.0:
        found = found.masked_fill(found < _nucleus_end(found, decoding.top_p), 0.0)
        found = found / found.sum(-1, keepdim=True)
    return found


def _nucleus_end(chances: Tensor, reach: float) -> Tensor:
    """The smallest probability (..., 1) among the likeliest that reach a sum together."""
    count, vocabulary = _USUAL_NUCLEUS, chances.shape[-1]
    first = chances.topk(min(count, vocabulary)).values
    while count < vocabulary and bool((first.sum(-1, dtype=torch.float64) < reach).any()):
        count *= 8
        first = chances.topk(min(count, vocabulary)).values
    before = first.cumsum(-1, dtype=torch.float64) - first
    last = (before < reach).sum(-1, keepdim=True) - 1
    return first.gather(-1, last.clamp(min=0))  # none is below where the chances aren't numbers


def draw(chances: Tensor, uniforms: Tensor) -> Tensor:
    """Draw an id for each row by inverting its cumulative distribution.

    The sums are of integers, 2^-40 each: they're exact, so a row's id depends neither on the
    rows beside it nor on the order of summation, and no id without a chance is ever drawn.

    Args:
        chances: probabilities (rows, vocabulary), float32.
        uniforms: one number in [0, 1) per row (rows,), float64.

    Raises:
        ValueError: a row's probabilities aren't numbers.

    Example:
        >>> chances = torch.tensor([[0.5, 0.0, 0.5], [0.5, 0.0, 0.5]])
        >>> draw(chances, torch.tensor([0.4, 0.6], dtype=torch.float64))
        tensor([0, 2])
    """
    reached = (chances * 2.0**40).long().cumsum(-1)
    total = reached[:, -1:]
    if bool((total < 1).any()):
        raise ValueError(_NO_NUMBERS)
    target = (uniforms[:, None] * total).long().minimum(total - 1)
    return torch.searchsorted(reached, target, right=True)[:, 0]


class Choice(NamedTuple):
    """What decides on the next token of one row beside its logits."""

    decoding: Decoding
    """Its settings."""
    generated: list[int]
    """Ids it has generated so far."""
    generator: torch.Generator | None
    """Its own CPU generator; needed where the temperature is above zero."""


def choose(logits: Tensor, rows: Sequence[Choice]) -> list[int]:
    """The next token of each row; rows of equal settings are sampled together.

    A row that samples takes one number of its own generator, so its token doesn't depend on the
    others.

    Args:
        logits: their logits (rows, vocabulary), float32.
        rows: what else decides.

    Raises:
        ValueError: sampling was asked for without a generator, or logits aren't numbers.
    """
    if any(row.decoding.repetition_penalty != 1.0 for row in rows):
        each = zip(logits, rows, strict=True)
        logits = torch.stack(
            [penalise(own, r.generated, r.decoding.repetition_penalty) for own, r in each]
        )
    likeliest = logits.max(-1)
    if bool(likeliest.values.isnan().any()):  # one NaN is the largest of a row
        raise ValueError(_NO_NUMBERS)
    tokens: list[int] = likeliest.indices.tolist()
    for places in _alike(rows):
        uniforms = torch.tensor([_uniform(rows[place]) for place in places], dtype=torch.float64)
        chances = probabilities(logits[places], rows[places[0]].decoding)
        drawn = draw(chances, uniforms.to(chances.device)).tolist()
        for place, token in zip(places, drawn, strict=True):
            tokens[place] = token
    return tokens


def _alike(rows: Sequence[Choice]) -> list[list[int]]:
    """Places of the rows that sample, those of equal settings together."""
    places: dict[tuple[float, float, int], list[int]] = {}
    for place, (decoding, *_) in enumerate(rows):
        if decoding.temperature > 0:
            key = (decoding.temperature, decoding.top_p, decoding.top_k)
            places.setdefault(key, []).append(place)
    return list(places.values())


def _uniform(row: Choice) -> float:
    if row.generator is None:
        raise ValueError("sampling with a temperature needs a generator for the row")
    return float(torch.rand((), generator=row.generator, dtype=torch.float64))
