"""Waiting for a device, and watching memory."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from tasks.probes.device import peak_memory, waiter

MIB = 2**20


class FakeCuda:
    """Counts what is asked of a GPU."""

    def __init__(self) -> None:
        self.waits = 0
        self.allocated = 10 * MIB
        self.most = 0

    def synchronize(self) -> None:
        self.waits += 1

    def reset_peak_memory_stats(self) -> None:
        self.most = self.allocated

    def memory_allocated(self) -> int:
        return self.allocated

    def max_memory_allocated(self) -> int:
        return self.most


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=fake))
    return fake


def test_a_gpu_is_waited_for(cuda: FakeCuda):
    waiter("cuda:NVIDIA H100")()
    assert cuda.waits == 1


def test_the_processor_is_not(cuda: FakeCuda):
    waiter("cpu")()
    assert cuda.waits == 0


def test_a_gpu_without_torch_has_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    waiter("cuda:0")()


def test_the_allocator_is_asked_on_a_gpu(cuda: FakeCuda):
    cuda.most = 99 * MIB  # of earlier work
    with peak_memory("cuda:0") as peak:
        cuda.most = 30 * MIB
    assert (peak.source, peak.before_mib, peak.peak_mib) == ("cuda", 10, 30)


def test_a_short_lived_block_is_seen_on_the_processor():
    with peak_memory("cpu") as peak:
        block = bytearray(b"\1") * (96 * MIB)
        time.sleep(0.1)
        del block
    assert peak.source == "rss"
    assert 80 < peak.peak_mib - peak.before_mib < 400


def test_the_watcher_ends_even_when_the_work_fails():
    with pytest.raises(RuntimeError, match="broken"), peak_memory("cpu"):
        raise RuntimeError("broken")
    assert not [thread for thread in threading.enumerate() if thread.name == "peak-memory"]
