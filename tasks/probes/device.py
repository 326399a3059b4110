"""Waiting for the device, and the most memory that a stretch of work held.

torch isn't imported here: an adapter that computes on a GPU has imported it already, and made its
GPU the current one (`harness.torch_support.choose_device`), which is the one that is asked.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["PeakMemory", "gpu_handle", "peak_memory", "waiter"]

_MIB = 2**20
_EVERY_S = 0.005


def waiter(device: str) -> Callable[[], None]:
    """A function that returns once everything queued on the device is done.

    Args:
        device: Device of a fingerprint, e.g. `cpu` or `cuda:NVIDIA H100`.
    """
    torch = _cuda(device)
    return _nothing if torch is None else torch.cuda.synchronize


def _nothing() -> None:
    return  # the processor has finished when a call returns


def _cuda(device: str) -> Any | None:
    torch = sys.modules.get("torch")
    return torch if device.startswith("cuda") and torch is not None else None


@dataclass
class PeakMemory:
    """Memory of a stretch of work, in MiB; filled when it ends."""

    source: str
    """`rss`: resident memory of the process; `cuda`: what torch's allocator handed out."""

    before_mib: float = 0.0
    """Held when the work began."""

    peak_mib: float = 0.0
    """Most that was held at once."""


@contextmanager
def peak_memory(device: str) -> Iterator[PeakMemory]:
    """Watch memory while the block runs.

    On a GPU torch's allocator is asked, exactly. On the processor a thread reads the resident
    memory every 5 ms, so shorter peaks may be missed, and pages that the allocator kept from
    earlier work are counted as held.

    Args:
        device: Device of a fingerprint.
    """
    torch = _cuda(device)
    watch = _resident_memory() if torch is None else _allocated_memory(torch)
    with watch as peak:
        yield peak


@contextmanager
def _allocated_memory(torch: Any) -> Iterator[PeakMemory]:
    torch.cuda.reset_peak_memory_stats()
    peak = PeakMemory("cuda", torch.cuda.memory_allocated() / _MIB)
    yield peak
    peak.peak_mib = torch.cuda.max_memory_allocated() / _MIB


@contextmanager
def _resident_memory() -> Iterator[PeakMemory]:
    import psutil

    process, done = psutil.Process(), threading.Event()
    start = process.memory_info().rss / _MIB
    peak = PeakMemory("rss", start, start)

    def look() -> None:
        peak.peak_mib = max(peak.peak_mib, process.memory_info().rss / _MIB)

    def keep_looking() -> None:
        while not done.wait(_EVERY_S):
            look()

    thread = threading.Thread(target=keep_looking, name="peak-memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        look()


def gpu_handle(nvml: Any) -> Any:
    """NVML's handle of torch's current GPU, by its id: numbers differ where GPUs are hidden.

    Args:
        nvml: The module `pynvml`.

    Raises:
        pynvml.NVMLError: NVML can't be used, or doesn't know the GPU.
    """
    torch = sys.modules["torch"]
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    nvml.nvmlInit()
    return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
