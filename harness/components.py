"""What the components of a model did: time, work and memory traffic, as a roofline needs them."""

from __future__ import annotations

from harness.records import Record

__all__ = ["ComponentWork"]


class ComponentWork(Record, frozen=True, kw_only=True):
    """One component, or one phase of one, in the calls that were watched."""

    calls: int
    """How often it ran."""

    seconds: float | None
    """Time inside it; `None` where work was counted, since counting takes longer than the work."""

    flops: float | None
    """Floating-point operations of matrix products, convolutions and attention; `None` where time
    was taken."""

    traffic_bytes: int
    """Least that its calls had to move: weights, inputs, outputs and cached keys and values, each
    once a call. Tables of embeddings aren't read as a whole and aren't in it."""

    weight_bytes: int
    """Bytes of its weights; those shared with a component named earlier are counted there."""

    cache_bytes: int
    """Most bytes of keys and values that a call read and wrote; 0 without a cache."""

    gaps_s: tuple[float, ...] = ()
    """Seconds from the end of each call to the end of the next."""
