"""Sampling row by row inside `generate`: each row draws from its own generator."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from harness.torch_support import wait_for

__all__ = ["RowSampler", "nucleus"]


class RowSampler:
    """A logits processor that leaves each row the one token that the row's own generator drew.

    `generate` then takes the likeliest token of each row, so that what a row draws depends on its
    logits and its seed, and on nothing else in the batch. It also notes when the first token came.

    Args:
        seeds: One per row.
        temperature: 0 changes nothing: the likeliest token is taken.
        top_p: Nucleus mass in (0, 1].
        device: Waited for before the time is taken.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float, device: str) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature, self._top_p, self._device = temperature, top_p, device
        self.first: float | None = None
        """`time.perf_counter()` when the first token could be chosen."""

    def __call__(self, _ids: Tensor, scores: Tensor) -> Tensor:
        """Choose the next token of each row.

        Args:
            _ids: Tokens so far (rows, length).
            scores: Logits (rows, vocabulary).

        Returns:
            The logits, or with a temperature minus infinity for all but the drawn tokens.
        """
        if self.first is None:
            wait_for(self._device)
            self.first = time.perf_counter()
        if self._temperature == 0:
            return scores
        drawn = [
            torch.multinomial(nucleus(row, self._temperature, self._top_p), 1, generator=generator)
            for row, generator in zip(scores.float().cpu(), self._generators, strict=True)
        ]
        chosen = torch.stack(drawn).to(scores.device)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


def nucleus(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """Probabilities (vocabulary,) of the smallest set of likeliest tokens with mass `top_p`.

    Holtzman et al., 2020 (arXiv 1904.09751), after division of the logits by the temperature.

    Example:
        >>> nucleus(torch.tensor([2.0, 1.0, 0.0]), 1.0, 0.5)
        tensor([1., 0., 0.])
    """
    chances = (logits / temperature).softmax(-1)
    if top_p < 1.0:
        ordered, order = chances.sort(descending=True)
        before = ordered.cumsum(-1) - ordered
        chances = chances.index_fill(0, order[before >= top_p], 0.0)
    return chances / chances.sum()
