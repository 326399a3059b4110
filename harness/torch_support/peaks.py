"""What this machine can do at most, measured by matrix products and copies: a roofline's roof."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.records import Record
from harness.torch_support.device import wait_for

__all__ = ["Peaks", "measure_peaks"]

_BUDGET_S = 0.15
_FEWEST = 3


class Peaks(Record, frozen=True, kw_only=True):
    """The roof (Williams et al. 2009, "Roofline")."""

    flops_per_s: float
    """Most floating-point operations per second of a square matrix product of the model's type."""

    bytes_per_s: float
    """Most bytes per second of a copy, read and written bytes added."""

    matmul_side: int
    """Side of the matrix that was fastest."""

    copy_mib: int
    """MiB of the tensor that was copied."""

    def bound_s(self, flops: float, traffic_bytes: float) -> float:
        """Seconds that the work takes at least: the slower of computing and moving."""
        return max(flops / self.flops_per_s, traffic_bytes / self.bytes_per_s)

    def bound_by(self, flops: float, traffic_bytes: float) -> str:
        """`compute` or `memory`: which of both takes longer at the peak."""
        slow = flops / self.flops_per_s >= traffic_bytes / self.bytes_per_s
        return "compute" if slow else "memory"


def measure_peaks(device: str, dtype: str) -> Peaks:
    """Measure matrix products of several sizes and a copy larger than any cache; under a second.

    The fastest of some repetitions counts, with the threads that torch has now.

    Args:
        device: As torch names it.
        dtype: Type of the matrices, e.g. `bfloat16`.
    """
    gpu = device.startswith("cuda")
    rates = {side: _matmul(device, dtype, side) for side in ((4096, 8192) if gpu else (512, 1024))}
    side = max(rates, key=lambda key: rates[key])
    mib = 1024 if gpu else 128
    return Peaks(
        flops_per_s=rates[side],
        bytes_per_s=_copy(device, mib),
        matmul_side=side,
        copy_mib=mib,
    )


def _matmul(device: str, dtype: str, side: int) -> float:
    import torch

    kind = getattr(torch, dtype)
    first, second = (torch.rand(side, side, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(first)
    return 2 * side**3 / _fastest(lambda: torch.mm(first, second, out=out), device)


def _copy(device: str, mib: int) -> float:
    import torch

    source = torch.zeros(mib * 2**20, dtype=torch.uint8, device=device)
    target = torch.ones_like(source)
    return 2 * source.nbytes / _fastest(lambda: target.copy_(source), device)


def _fastest(work: Callable[[], object], device: str) -> float:
    work()
    begin, took = time.perf_counter(), list[float]()
    while len(took) < _FEWEST or time.perf_counter() - begin < _BUDGET_S:
        wait_for(device)
        start = time.perf_counter()
        work()
        wait_for(device)
        took.append(time.perf_counter() - start)
    return min(took)
