"""float32 that is float32, also on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from harness.records import Response

__all__ = ["as_stated", "without_tf32"]

R = TypeVar("R")
"""Kind of request that a method serves."""


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


def as_stated(
    method: Callable[[Any, Sequence[R]], list[Response]],
) -> Callable[[Any, Sequence[R]], list[Response]]:
    """Serve requests in the very type that the fingerprint states."""

    @wraps(method)
    def served(self: Any, requests: Sequence[R]) -> list[Response]:
        if self.dtype != "float32":
            return method(self, requests)
        with without_tf32():
            return method(self, requests)

    return served
