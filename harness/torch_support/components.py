"""Watching the parts of a torch model: a stop-watch, or a count of what they compute and move."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.components import ComponentWork
from harness.torch_support.flops import flop_counter

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Call", "Part", "watch_parts"]


class Call(NamedTuple):
    """One call of a module."""

    args: tuple[Any, ...]
    """Positional arguments."""

    kwargs: Mapping[str, Any]
    """Arguments by name."""


class Part(NamedTuple):
    """A module to watch."""

    module: nn.Module
    """The module; no two parts contain each other."""

    phase: Callable[[Call], str] | None = None
    """Which phase of the part a call belongs to; its name is added to the part's behind a `/`."""

    cache_bytes: Callable[[Call], int] | None = None
    """Bytes of keys and values that a call reads and writes."""

    unused: Sequence[nn.Module] = ()
    """Modules inside that no call computes with, such as a pooling head of a checkpoint; their
    weights are neither read nor counted."""


@contextmanager
def watch_parts(
    parts: Mapping[str, Part], device: str, *, count: bool
) -> Iterator[Mapping[str, ComponentWork]]:
    """Watch every part while the block runs; the mapping is filled when it ends.

    On a GPU events are put into the stream, and the device is waited for once, at the end; on the
    processor the clock is read around each call. With `count` FLOPs are counted by torch's own
    counter instead, which slows everything down.

    Args:
        parts: Modules by name.
        device: Where they compute, as torch names it.
        count: Count work instead of taking time.
    """
    found: dict[str, ComponentWork] = {}
    counter = flop_counter() if count else None
    clock: _Clock = _Counted(counter) if count else _clock(device)
    tallies: dict[str, _Tally] = {}
    handles: list[Any] = []
    seen: set[int] = set()
    for name, part in parts.items():
        weights = _weights(part, seen)
        handles += _install(name, part, clock, tallies, weights, count=count)
    try:
        with counter if counter is not None else nullcontext():
            yield found
        clock.settle()
        found |= {name: tally.work(clock, count=count) for name, tally in tallies.items()}
    finally:
        for handle in handles:
            handle.remove()


class _Weights(NamedTuple):
    read: int  # bytes that each call reads
    own: int  # bytes that no earlier part has


@dataclass
class _Tally:
    """What one phase of one part has done so far."""

    weights: _Weights
    marks: list[tuple[Any, Any]] = field(default_factory=list)
    traffic: int = 0
    cache: int = 0

    def work(self, clock: _Clock, *, count: bool) -> ComponentWork:
        spans = [clock.between(start, end) for start, end in self.marks]
        ends = [end for _, end in self.marks]
        gaps = () if count else tuple(map(clock.between, ends, ends[1:]))
        return ComponentWork(
            calls=len(self.marks),
            seconds=None if count else sum(spans),
            flops=float(sum(spans)) if count else None,
            traffic_bytes=self.traffic if count else None,
            weight_bytes=self.weights.own,
            cache_bytes=self.cache,
            gaps_s=gaps,
        )


class _Clock:
    """Marks in time on the processor."""

    def mark(self) -> Any:
        return time.perf_counter()

    def between(self, start: Any, end: Any) -> float:
        return float(end - start)

    def settle(self) -> None:
        return  # the processor has finished when a call returns


class _Events(_Clock):
    """Marks in the stream of a GPU."""

    def __init__(self, device: str) -> None:
        import torch

        self._cuda = torch.cuda
        self._device = device

    def mark(self) -> Any:
        event: Any = self._cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(self._cuda.current_stream(self._device))
        return event

    def between(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end)) / 1000

    def settle(self) -> None:
        self._cuda.synchronize(self._device)


class _Counted(_Clock):
    """Marks in the number of operations so far."""

    def __init__(self, counter: Any) -> None:
        self._counter = counter

    def mark(self) -> Any:
        return self._counter.get_total_flops()


def _clock(device: str) -> _Clock:
    return _Events(device) if device.startswith("cuda") else _Clock()


def _install(
    name: str,
    part: Part,
    clock: _Clock,
    tallies: dict[str, _Tally],
    weights: _Weights,
    *,
    count: bool,
) -> Sequence[Any]:
    running: list[tuple[_Tally, Any]] = []
    own = weights.own

    def before(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal own
        call = Call(args, kwargs)
        label = f"{name}/{part.phase(call)}" if part.phase is not None else name
        if label not in tallies:  # a part's weights are those of its first phase
            tallies[label], own = _Tally(weights._replace(own=own)), 0
        tally = tallies[label]
        cached = 0 if part.cache_bytes is None else part.cache_bytes(call)
        tally.cache = max(tally.cache, cached)
        if count:  # looking through nested arguments takes time
            tally.traffic += weights.read + cached + _bytes((args, kwargs))
        running.append((tally, clock.mark()))

    def after(_: object, __: object, ___: object, out: object) -> None:
        tally, start = running.pop()
        tally.marks.append((start, clock.mark()))
        if count:
            tally.traffic += _bytes(out)

    return (
        part.module.register_forward_pre_hook(before, with_kwargs=True),
        part.module.register_forward_hook(after, with_kwargs=True),
    )


def _weights(part: Part, seen: set[int]) -> _Weights:
    from torch import nn

    module = part.module
    idle = {id(weight) for inner in part.unused for weight in inner.parameters()}
    tables = {
        id(weight)
        for inner in module.modules()
        if isinstance(inner, nn.Embedding)
        for weight in inner.parameters()
    }
    distinct = {id(weight): weight for weight in module.parameters()}
    every = [weight for key, weight in distinct.items() if key not in idle]
    own = [weight for weight in every if id(weight) not in seen]
    seen.update(map(id, every))
    read = sum(weight.nbytes for weight in every if id(weight) not in tables)
    return _Weights(read, sum(weight.nbytes for weight in own))


def _bytes(tree: object) -> int:
    """Bytes of all tensors in nested arguments."""
    import torch
    from torch.utils._pytree import tree_leaves

    return sum(leaf.nbytes for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))
