"""Seeds: everything random is a function of (seed, task, sample, k) and a stream's name.

Python's and numpy's global generators are never used. A stream is named by what draws from it
(`noise`, `dummy-image`, `sampling`), so adding a draw to one stream moves no other.
"""

from __future__ import annotations

import hashlib

__all__ = ["sample_seed", "stream_seed"]

_BITS = 63  # fits torch.Generator.manual_seed and SQLite's signed INTEGER


def _hash_to_seed(*parts: object) -> int:
    # Length-prefixed parts: ("ab", "c") and ("a", "bc") must not collide.
    text = "".join([f"{len(part)}:{part}" for part in map(str, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> (64 - _BITS)


def sample_seed(seed: int, task: str, sample_id: str, k: int) -> int:
    """Seed of one request, in [0, 2**63).

    Args:
        seed: Base seed of the run.
        task: Registry name of the task.
        sample_id: Sample id within the task.
        k: Repeat index.

    Example:
        >>> sample_seed(0, "t", "a", 0) == sample_seed(0, "t", "a", 0)
        True
        >>> sample_seed(0, "t", "a", 0) == sample_seed(0, "t", "a", 1)
        False
    """
    return _hash_to_seed("sample", seed, task, sample_id, k)


def stream_seed(request_seed: int, stream: str) -> int:
    """Seed of one named random stream of a request, in [0, 2**63).

    Example:
        >>> stream_seed(7, "noise") == stream_seed(7, "dummy-image")
        False
    """
    return _hash_to_seed("stream", request_seed, stream)
