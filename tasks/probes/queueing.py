"""A queue in front of a model: requests arrive when they arrive, and wait while it works.

Latency counts from the moment at which a request was to arrive, not from when the model took it, so
a model that falls behind can't hide it (coordinated omission; Tene, "How NOT to measure latency").
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.records import Request, Response
from tasks.probes.bench import Timed

__all__ = ["Answered", "arrival_times", "serve"]


class Answered(NamedTuple):
    """One request that went through the queue; times in seconds since the episode began."""

    arrival: float
    """When it was to arrive."""

    start: float
    """When the model took its batch."""

    end: float
    """When its batch was done."""

    response: Response
    """What the model gave back."""

    batch: int
    """Requests of its batch."""

    @property
    def latency(self) -> float:
        """Seconds end to end, waiting included."""
        return self.end - self.arrival

    @property
    def ttft(self) -> float | None:
        """Seconds to the first token or denoising step, waiting included."""
        first = self.response.timing.ttft_s
        return None if first is None else self.start - self.arrival + first

    @property
    def tpot(self) -> float | None:
        """Seconds per token behind the first, i.e. the mean inter-token latency.

        Tokens come at once at the batch's end, so a short answer waits for the longest.
        """
        tokens, ttft = self.response.usage.completion_tokens, self.ttft
        if ttft is None or tokens is None or tokens < 2:
            return None
        return (self.latency - ttft) / (tokens - 1)


def arrival_times(seed: int, count: int, rate: float) -> list[float]:
    """Arrivals of a Poisson process: exponential gaps with a mean of 1/rate.

    Args:
        seed: Seed of the gaps.
        count: Requests.
        rate: Requests per second, above 0.

    Returns:
        Seconds, ascending, the first one gap after 0.

    Example:
        >>> times = arrival_times(1, 1000, 4.0)
        >>> times == sorted(times), round(1000 / times[-1])
        (True, 4)
    """
    random_ = random.Random(seed)
    times, now = [], 0.0
    for _ in range(count):
        now += random_.expovariate(rate)
        times.append(now)
    return times


def serve(
    requests: Sequence[Request],
    arrivals: Sequence[float],
    most: int,
    work: Callable[[Sequence[Request]], Timed],
) -> list[Answered]:
    """Let requests arrive in time, and serve them first come, first served.

    Whenever the model is free it takes all that wait, up to `most`; nobody waits for company.

    Args:
        requests: What is asked, of one kind.
        arrivals: When each arrives, ascending; all zeros is a full queue.
        most: Requests of a batch at most.
        work: Serves a batch and says how long it took.
    """
    begin, served, first = time.perf_counter(), list[Answered](), 0
    while first < len(requests):
        _wait_until(begin + arrivals[first])
        start = time.perf_counter() - begin
        last = first + 1
        while last < len(requests) and last - first < most and arrivals[last] <= start:
            last += 1
        timed = work(requests[first:last])
        end = time.perf_counter() - begin
        for place, response in zip(range(first, last), timed.responses, strict=True):
            served.append(Answered(arrivals[place], start, end, response, last - first))
        first = last
    return served


def _wait_until(moment: float) -> None:
    while (left := moment - time.perf_counter()) > 0:
        time.sleep(left)
