"""Random streams of the world: one generator for each (seed, split, stream, index)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

__all__ = ["SPLITS", "STREAMS", "Split", "generator"]

Split: TypeAlias = Literal["train", "test"]
"""Name of a split."""

SPLITS: dict[str, int] = {"train": 0, "test": 1}
"""Namespace number of each split: a part of the seed, so no stream belongs to both."""

STREAMS: dict[str, int] = {"generation": 0, "mcq": 1, "word": 2, "edit": 3}
"""Namespace number of each kind of sample."""

_WORLD = 0x5AFE5


def generator(seed: int, split: str, stream: str, index: int) -> np.random.Generator:
    """Return the generator of one sample.

    Args:
        seed: Base seed, >= 0.
        split: `train` or `test`.
        stream: Kind of sample, a key of `STREAMS`.
        index: Number of the sample, >= 0.

    Raises:
        ValueError: For an unknown split, or a negative seed or index.

    Example:
        >>> first, again = (generator(0, "train", "mcq", 1) for _ in range(2))
        >>> bool(first.integers(99) == again.integers(99))
        True
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; use one of {', '.join(SPLITS)}")
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must be >= 0, got seed {seed} and index {index}")
    entropy = (_WORLD, SPLITS[split], STREAMS[stream], seed, index)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
