"""Recognising that memory ran out, whoever says so, and giving back what can be given."""

from __future__ import annotations

import gc
import sys

from harness.errors import OutOfMemoryError

__all__ = ["is_out_of_memory", "release_memory"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a batch didn't fit into memory.

    torch isn't imported for this: its exception is known by its class's name, and older
    backends raise a plain `RuntimeError` whose message says it.

    Example:
        >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
        True
        >>> is_out_of_memory(ValueError("out of range"))
        False
    """
    if isinstance(error, MemoryError | OutOfMemoryError):
        return True
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"OutOfMemoryError", "_ArrayMemoryError"}:
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in message or "not enough memory" in message
    )


def release_memory() -> None:
    """Collect garbage and, where torch is in use on a GPU, return its cached blocks."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
