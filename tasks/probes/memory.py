"""Peak memory of a block: the CUDA allocator's on a GPU, resident memory on the CPU."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any, Self

__all__ = ["PeakMemory"]

_EVERY_S = 0.005


class PeakMemory:
    """Context that measures the peak while it's open.

    On a GPU it's exact (`torch.cuda.max_memory_allocated`); on the CPU a thread samples the
    process's resident set, so peaks shorter than 5 ms can be missed.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        """Peak in bytes, known when the context has ended."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        cuda = _cuda()
        if cuda is not None:
            cuda.reset_peak_memory_stats()
        else:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cuda = _cuda()
        if cuda is not None:
            self.peak_bytes = int(cuda.max_memory_allocated())
        elif self._thread is not None:
            self._stop.set()
            self._thread.join()

    def _watch(self) -> None:
        import psutil

        process = psutil.Process()
        while True:
            self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)
            if self._stop.wait(_EVERY_S):
                return


def _cuda() -> Any:
    """`torch.cuda` where torch is loaded and sees a GPU."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None
