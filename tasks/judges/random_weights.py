"""Weights drawn from a seed, to test everything but what a judge would say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_random", "random_seed", "seeded"]

_PREFIX = "random:"


def is_random(weights: str | Path) -> bool:
    """Whether weights are `random:SEED` rather than a file or folder."""
    return str(weights).startswith(_PREFIX)


def random_seed(weights: str | Path) -> int | None:
    """The seed of `random:SEED`; `None` for a file or folder.

    Example:
        >>> random_seed("random:5"), random_seed("model.safetensors")
        (5, None)
    """
    return int(str(weights).removeprefix(_PREFIX)) if is_random(weights) else None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch draw from a seed, and leave its global generator as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
