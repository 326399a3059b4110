"""Time and memory of work as the system accounts for them."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from pathlib import Path

__all__ = ["peak_mib", "processor_seconds"]


def processor_seconds(work: Callable[[], object]) -> float:
    """Seconds of processor time of the child processes that `work` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak_mib() -> float:
    """Most resident memory that this program ever held, in MiB.

    Unlike getrusage, it starts anew with the program and not with the process that forked it.
    """
    found = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("the system keeps no account of the peak of resident memory")
    return int(found[1]) / 1024
