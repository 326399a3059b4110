"""Choosing tokens: each row's draws are a function of its logits and its own seed alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from model_adapters.tar.presets import Sampling

__all__ = ["choose", "draw", "filtered", "penalised", "uniforms"]


def filtered(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits (..., vocabulary) with minus infinity where top-k, then top-p, rule a token out.

    Fan et al., 2018 (arXiv 1805.04833); Holtzman et al., 2020 (arXiv 1904.09751).

    Example:
        >>> filtered(torch.tensor([3.0, 2.0, 1.0]), top_k=2, top_p=1.0)
        tensor([3., 2., -inf])
        >>> filtered(torch.tensor([3.0, 2.0, 1.0]), top_k=0, top_p=0.5)
        tensor([3., -inf, -inf])
    """
    if 0 < top_k < logits.shape[-1]:
        smallest = logits.topk(top_k).values[..., -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    if top_p < 1.0:
        ordered, order = logits.sort(descending=True)
        chances = ordered.softmax(-1)
        out = chances.cumsum(-1) - chances > top_p
        logits = logits.masked_fill(out.scatter(-1, order, out), -torch.inf)
    return logits


def penalised(logits: Tensor, there: Sequence[Sequence[int]], penalty: float) -> Tensor:
    """Logits (B, vocabulary) with each row's tokens `there` made less likely.

    Keskar et al., 2019 (arXiv 1909.05858), as transformers applies it.

    Example:
        >>> penalised(torch.tensor([[2.0, -1.0, 3.0]]), [[0, 1]], 2.0)
        tensor([[ 1., -2.,  3.]])
    """
    if penalty == 1.0:
        return logits
    changed = logits.clone()
    for row, ids in zip(changed, there, strict=True):
        index = torch.tensor(sorted(set(ids)), dtype=torch.long, device=row.device)
        values = row[index]
        row[index] = torch.where(values > 0, values / penalty, values * penalty)
    return changed


def choose(logits: Tensor, sampling: Sampling, chance: Tensor | None) -> Tensor:
    """The next token (B,) of each row.

    Args:
        logits: (B, vocabulary), float32; any penalty is already in them.
        sampling: Shared by all rows.
        chance: Uniform numbers (B,) in [0, 1), unless the temperature is 0.

    Raises:
        ValueError: The temperature is above 0 and there are none.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    if chance is None:
        raise ValueError("sampling with a temperature needs a uniform number per row")
    kept = filtered(logits / sampling.temperature, sampling.top_k, sampling.top_p)
    return draw(kept.softmax(-1), chance)


def draw(chances: Tensor, uniform: Tensor) -> Tensor:
    """Draw from probabilities (B, vocabulary) with uniform numbers (B,), by the inverse of the CDF.

    Unlike `torch.multinomial` this takes one number per row, drawn beforehand on the CPU, so the
    device is never waited for, and what a row draws can't depend on its batch.

    Example:
        >>> draw(torch.tensor([[0.25, 0.0, 0.75]]).repeat(3, 1), torch.tensor([0.0, 0.25, 0.99]))
        tensor([0, 2, 2])
    """
    total = chances.double().cumsum(-1)
    found = torch.searchsorted(total, uniform.double()[:, None] * total[:, -1:], right=True)
    return found[:, 0].clamp(max=chances.shape[-1] - 1)


def uniforms(seed: int, count: int, device: torch.device | str) -> Tensor:
    """`count` uniform numbers in [0, 1), float64, a function of the seed; drawn on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, generator=generator, dtype=torch.float64).to(device)
