"""float32 that is float32, also on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

__all__ = ["as_stated", "without_tf32"]

Given = TypeVar("Given")
"""What a method takes: a batch of requests, or a number of tokens."""

Made = TypeVar("Made")
"""What it gives back."""


@contextmanager
def without_tf32() -> Iterator[None]:
    """Let convolutions and matrix products of float32 keep all 24 bits of their factors.

    cuDNN rounds them to 11 bits (TF32) unless it's told otherwise, and torch's default is to let
    it. The settings are torch's global ones; they're put back afterwards.
    """
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        with cudnn.flags(
            enabled=cudnn.enabled,
            benchmark=cudnn.benchmark,
            deterministic=cudnn.deterministic,
            allow_tf32=False,
        ):
            yield
    finally:
        matmul.allow_tf32 = before


def as_stated(method: Callable[[Any, Given], Made]) -> Callable[[Any, Given], Made]:
    """Serve requests in the very type that the fingerprint states."""

    @wraps(method)
    def served(self: Any, given: Given) -> Made:
        if self.dtype != "float32":
            return method(self, given)
        with without_tf32():
            return method(self, given)

    return served
