"""What calls take, they give back."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping

from harness.conformance.records import WrongError
from harness.conformance.subject import Subject

__all__ = ["memory"]

_ROUNDS = 4
_MIB = 1 << 20


def memory(subject: Subject) -> str:
    """After calls memory returns to where it was after the first ones."""
    _work(subject)
    _work(subject)
    before = _taken()
    for _ in range(_ROUNDS):
        _work(subject)
    after = _taken()
    grown = {name: (after[name] - value) / _MIB for name, value in before.items()}
    for name, size in grown.items():
        if size > subject.tolerance.mebibytes:
            raise WrongError(
                f"{name} grew by {size:.0f} MiB over {_ROUNDS} rounds of the same requests; "
                "keep no outputs, caches or tensors between calls"
            )
    return ", ".join(f"{name} {size:+.1f} MiB" for name, size in grown.items())


def _work(subject: Subject) -> None:
    for capability in subject.capabilities:
        subject.together(subject.requests(capability))


def _taken() -> Mapping[str, int]:
    """Bytes in use: resident, and on the GPU where torch has one."""
    import psutil

    gc.collect()
    taken = {"resident memory": int(psutil.Process().memory_info().rss)}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        taken["GPU memory"] = int(torch.cuda.memory_allocated())
    return taken
