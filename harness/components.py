"""What the components of a model did: time, work and memory traffic, as a roofline needs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from harness.records import Record

__all__ = ["ComponentWork", "seconds_by_component"]


class ComponentWork(Record, frozen=True, kw_only=True):
    """One component, or one phase of one, in the calls that were watched."""

    calls: int
    """How often it ran."""

    seconds: float | None
    """Time inside it; `None` where work was counted, since counting takes longer than the work."""

    flops: float | None
    """Floating-point operations of matrix products, convolutions and attention; `None` where time
    was taken."""

    traffic_bytes: int | None
    """Least that its calls had to move: weights, inputs, outputs and cached keys and values, each
    once a call; `None` where time was taken. Tables of embeddings aren't read as a whole and aren't
    in it."""

    weight_bytes: int
    """Bytes of its weights; those shared with a component named earlier are counted there."""

    cache_bytes: int
    """Most bytes of keys and values that a call read and wrote; 0 without a cache."""

    gaps_s: tuple[float, ...] = ()
    """Seconds from the end of each call to the end of the next."""


def seconds_by_component(watched: Mapping[str, ComponentWork]) -> dict[str, float]:
    """Seconds inside each component, its phases taken together; empty where work was counted.

    Args:
        watched: Components by name; a phase's name stands behind a `/`.

    Example:
        >>> half = ComponentWork(
        ...     calls=1, seconds=0.5, flops=None, traffic_bytes=None, weight_bytes=0, cache_bytes=0
        ... )
        >>> seconds_by_component({"tower": half, "llm/prefill": half, "llm/decode": half})
        {'tower': 0.5, 'llm': 1.0}
    """
    seconds = defaultdict[str, float](float)
    for name, work in watched.items():
        if work.seconds is not None:
            seconds[name.partition("/")[0]] += work.seconds
    return dict(seconds)
