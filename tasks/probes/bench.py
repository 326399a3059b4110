"""One adapter on the test bench: its device, what has been warmed up, and timed calls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from harness.adapter import ModelAdapter, perform
from harness.components import ComponentWork
from harness.errors import AdapterError, CapabilityError
from harness.records import AnswerRequest, Capability, Request, Response
from tasks.probes.device import PeakMemory, peak_memory, waiter

__all__ = ["Bench", "Timed", "Watched"]


class Timed(NamedTuple):
    """One timed batch."""

    seconds: float
    """Wall time, end to end."""

    responses: list[Response]
    """Its responses."""


class Watched(NamedTuple):
    """One watched batch; its time isn't compared, since watching costs time."""

    seconds: float
    """Wall time, end to end."""

    components: Mapping[str, ComponentWork]
    """What each component took, by name and phase; empty where the adapter watches none."""

    memory: PeakMemory
    """Memory."""

    responses: list[Response]
    """Its responses."""


class Bench:
    """Times calls of one adapter.

    An adapter that can't hold answers to a least length says so once, and is asked without.

    Args:
        adapter: The model.
    """

    def __init__(self, adapter: ModelAdapter) -> None:
        self._adapter = adapter
        self.device = adapter.fingerprint().device
        """Device of the adapter's fingerprint."""
        self._wait = waiter(self.device)
        self._bounds = True
        self._warm: set[tuple[Capability, int]] = set()

    def warm_up(self, requests: Sequence[Request], calls: int) -> None:
        """Make `calls` calls that nobody times, once per kind and batch size of this process."""
        key = (requests[0].capability, len(requests))
        if key in self._warm:
            return
        for _ in range(calls):
            self.time(requests)
        self._warm.add(key)

    def time(self, requests: Sequence[Request]) -> Timed:
        """Time one batch from the call to the last response, the device's queue included.

        Raises:
            AdapterError: Responses are missing or too many.
        """
        try:
            return self._time(requests if self._bounds else _unbounded(requests))
        except CapabilityError:
            if not self._bounds or not _are_bounded(requests):
                raise
            self._bounds = False
            return self._time(_unbounded(requests))

    def _time(self, requests: Sequence[Request]) -> Timed:
        self._wait()
        start = time.perf_counter()
        responses = perform(self._adapter, requests)
        self._wait()
        seconds = time.perf_counter() - start
        if len(responses) != len(requests):
            raise AdapterError(
                f"model {self._adapter.card.name!r} gave {len(responses)} responses to "
                f"{len(requests)} requests",
                "return one response per request, in their order",
            )
        return Timed(seconds, responses)

    def watch(self, requests: Sequence[Request]) -> Watched:
        """Run one batch while every component is timed by phase, and memory watched."""
        with (
            peak_memory(self.device) as memory,
            self._adapter.watch_components(count=False) as components,
        ):
            timed = self.time(requests)
        return Watched(timed.seconds, components, memory, timed.responses)

    def count(self, requests: Sequence[Request]) -> Mapping[str, ComponentWork]:
        """Run one batch while operations and bytes of every component are counted."""
        with self._adapter.watch_components(count=True) as components:
            self.time(requests)
        return components


def _are_bounded(requests: Sequence[Request]) -> bool:
    return any(isinstance(r, AnswerRequest) and r.decoding.min_new_tokens for r in requests)


def _unbounded(requests: Sequence[Request]) -> list[Request]:
    """The same requests without a least number of tokens."""
    return [_without_least(r) if isinstance(r, AnswerRequest) else r for r in requests]


def _without_least(request: AnswerRequest) -> AnswerRequest:
    decoding = msgspec.structs.replace(request.decoding, min_new_tokens=0)
    return msgspec.structs.replace(request, decoding=decoding)
