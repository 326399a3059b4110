"""What an adapter gives back when it's closed."""

from __future__ import annotations

import gc
import sys

from harness.adapter import ModelAdapter
from harness.conformance.records import Finding, Status

__all__ = ["CLOSING", "check_closing"]

CLOSING = "closing"
"""Name of the check."""

_MAY_STAY = 0.05
_MIB = 1 << 20


def check_closing(adapter: ModelAdapter) -> Finding:
    """Close an adapter for good: its weights are let go, and a second `close` does nothing.

    Judges are loaded after the model under test is closed; both may not fit into one GPU. Counted
    are the bytes of torch's tensors that are still alive, so nobody else may hold the model.

    Args:
        adapter: The adapter; it isn't usable afterwards.
    """
    try:
        weights = adapter.fingerprint().parameters or 0
        before = _alive()
        adapter.close()
        adapter.close()
        after = _alive()
    except Exception as error:  # noqa: BLE001 -- an adapter may raise anything
        return _finding(Status.FAILED, f"{type(error).__name__}: {error}")
    freed = before - after
    if not weights or not before:
        return _finding(Status.NOT_APPLICABLE, "the model has no weights in torch")
    if freed < weights * (1 - _MAY_STAY):  # a byte each at least, whatever the dtype
        return _finding(
            Status.FAILED,
            f"{after / _MIB:.1f} MiB of tensors are alive after `close`, of {before / _MIB:.1f} "
            "before; drop every reference to the model",
        )
    return _finding(Status.PASSED, f"{freed / _MIB:.1f} MiB of tensors were let go")


def _finding(status: Status, detail: str) -> Finding:
    return Finding(check=CLOSING, status=status, detail=detail)


def _alive() -> int:
    """Bytes of the storages of all live tensors, each counted once."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    gc.collect()
    storages: dict[int, int] = {}
    for thing in gc.get_objects():
        # By its class: asking a lazy module for `__class__` may import what nobody wants.
        if issubclass(type(thing), torch.Tensor) and thing.layout is torch.strided:
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())
