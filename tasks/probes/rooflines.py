"""Components under the roof of their machine: what they took against what they had to take."""

from __future__ import annotations

from collections.abc import Mapping

from harness.components import ComponentWork
from harness.errors import AdapterError
from harness.records import Record
from harness.torch_support import Peaks

__all__ = ["ComponentCost", "costs", "totals"]


class ComponentCost(Record, frozen=True, kw_only=True):
    """One component, or one phase of one, in one request or batch."""

    calls: int
    """How often it ran."""

    seconds: float
    """Time inside it."""

    share: float
    """Its share of the batch's wall time, in [0, 1]."""

    gflops: float
    """Operations, in 10^9."""

    traffic_mib: float
    """Least memory traffic: weights, inputs, outputs and cache, each once a call."""

    weights_mib: float
    """Its weights; those shared with a component named earlier are counted there."""

    cache_mib: float
    """Most keys and values that a call read."""

    intensity: float
    """Operations per byte of traffic."""

    bound: str
    """`compute` or `memory`: which side of the roof it's under."""

    mfu: float
    """Model FLOPs utilisation: operations per second over the measured peak."""

    mbu: float
    """Model bandwidth utilisation: traffic per second over the measured peak."""

    roofline: float
    """Time at the roof over time taken; what is left is overhead and unfused traffic. Above 1 if
    caches hold what is counted as traffic."""


def costs(
    timed: Mapping[str, ComponentWork],
    counted: Mapping[str, ComponentWork],
    peaks: Peaks,
    wall: float,
) -> dict[str, ComponentCost]:
    """Cost of each component that ran.

    Args:
        timed: Components with seconds.
        counted: The same components with operations, of equal requests.
        peaks: The machine's peaks, measured beside.
        wall: Seconds of the batch, end to end.

    Raises:
        AdapterError: The two passes didn't run the same calls.
    """
    calls = [{name: work.calls for name, work in one.items()} for one in (timed, counted)]
    if calls[0] != calls[1]:
        raise AdapterError(
            f"components ran differently when timed and counted: {calls}",
            "leave fixed_length on, so that rounding can't end an answer elsewhere; where it "
            "can't be held, equal requests must have equal answers",
        )
    return {name: _cost(timed[name], counted[name], peaks, wall) for name in timed}


def _cost(timed: ComponentWork, counted: ComponentWork, peaks: Peaks, wall: float) -> ComponentCost:
    seconds, flops, traffic = timed.seconds or 0.0, counted.flops or 0.0, counted.traffic_bytes or 0
    return ComponentCost(
        calls=timed.calls,
        seconds=seconds,
        share=seconds / wall,
        gflops=flops / 1e9,
        traffic_mib=traffic / 2**20,
        weights_mib=counted.weight_bytes / 2**20,
        cache_mib=counted.cache_bytes / 2**20,
        intensity=flops / traffic if traffic else 0.0,
        bound=peaks.bound_by(flops, traffic),
        mfu=_rate(flops, seconds) / peaks.flops_per_s,
        mbu=_rate(traffic, seconds) / peaks.bytes_per_s,
        roofline=_rate(peaks.bound_s(flops, traffic), seconds),
    )


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if seconds else 0.0


def totals(found: Mapping[str, ComponentCost], peaks: Peaks, wall: float) -> dict[str, float]:
    """A whole batch: `mfu`, `mbu` and `roofline` over its wall time, and what was watched of it."""
    gflops = sum(one.gflops for one in found.values())
    traffic = sum(one.traffic_mib for one in found.values())
    at_roof = sum(one.roofline * one.seconds for one in found.values())
    return {
        "mfu": gflops * 1e9 / wall / peaks.flops_per_s,
        "mbu": traffic * 2**20 / wall / peaks.bytes_per_s,
        "roofline": at_roof / wall,
        "watched": sum(one.share for one in found.values()),
        "gflops": gflops,
        "weights_mib": sum(one.weights_mib for one in found.values()),
        "kv_cache_mib": max((one.cache_mib for one in found.values()), default=0.0),
    }
