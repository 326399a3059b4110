"""Where each row of a batch ends: end token, stop string, budget or context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["RowStops"]

_SPARE = 8
"""Tokens decoded beyond a stop string's bytes: special tokens between its pieces have no text."""


class RowStops:
    """A stopping criterion that knows each row's own end.

    Args:
        tokenizer: Turns ids into text.
        start: Columns of the prompt.
        budgets: New tokens that each row may have.
        stop: Strings that end an answer.
    """

    def __init__(
        self, tokenizer: Any, start: int, budgets: Sequence[int], stop: Sequence[str]
    ) -> None:
        self._tokenizer = tokenizer
        self._start = start
        self._budgets = list(budgets)
        self._stop = [text for text in stop if text]
        self._window = max((len(text.encode()) for text in self._stop), default=0) + _SPARE
        self.ends: list[int] = list(budgets)
        """New tokens of each row when it ended; tells nothing where beams change places."""

    def __call__(self, ids: Tensor, _scores: Any, **_: Any) -> Tensor:
        """Which rows end here.

        Args:
            ids: Prompts and what was generated (rows, length).
            _scores: Not looked at.

        Returns:
            Booleans (rows,).
        """
        new = ids.shape[1] - self._start
        done = [self._is_done(row, new, ids[row]) for row in range(len(ids))]
        for row in range(len(self.ends)):
            if done[row]:
                self.ends[row] = min(self.ends[row], new)
        return torch.tensor(done, device=ids.device)

    def _is_done(self, row: int, new: int, ids: Tensor) -> bool:
        # With beams there are more rows than prompts, and all are of the one prompt.
        return new >= self._budgets[row % len(self._budgets)] or self._stops(ids)

    def _stops(self, row: Tensor) -> bool:
        if not self._stop:
            return False
        tail = row[max(self._start, len(row) - self._window) :]
        text = self._tokenizer.decode(tail, skip_special_tokens=True)
        return any(stop in text for stop in self._stop)
