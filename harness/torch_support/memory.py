"""Telling the runner that a batch didn't fit, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

from harness.errors import OutOfMemoryError
from harness.records import Response

__all__ = ["guards_memory", "let_go"]

R = TypeVar("R")
"""Kind of request that a method serves."""


def guards_memory(
    method: Callable[[Any, Sequence[R]], list[Response]],
) -> Callable[[Any, Sequence[R]], list[Response]]:
    """Turn torch's out-of-memory error into the harness's, so that the batch is made smaller."""

    @wraps(method)
    def guarded(self: Any, requests: Sequence[R]) -> list[Response]:
        import torch

        try:
            return method(self, requests)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"{self.card.name}: {len(requests)} requests don't fit into memory: {error}",
                "use a smaller --batch-size",
            ) from error

    return guarded


def let_go(adapter: object, name: str) -> None:
    """Drop the attribute that holds an adapter's weights, and free their memory.

    A second call does nothing.

    Args:
        adapter: The adapter.
        name: The attribute.
    """
    from harness.run.memory import release_memory

    vars(adapter).pop(name, None)
    release_memory()
