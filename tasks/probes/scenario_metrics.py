"""The metrics of `probe-serving`: their definitions, and the scores of queries and episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.records import Aggregation, Capability, Direction, MetricSpec
from tasks.probes.answer_length import LENGTHS, length_score
from tasks.probes.queueing import Answered

__all__ = [
    "SERVED",
    "Bounds",
    "Scenario",
    "category",
    "query_scores",
    "scenario_metrics",
    "server_scores",
    "throughput_scores",
]

SERVED = (Capability.ANSWER, Capability.GENERATE_IMAGE)
"""Capabilities that are served, in the order of the metrics."""


class Scenario:
    """Names of MLPerf Inference's scenarios (Reddi et al. 2020, section III.D)."""

    SINGLE_STREAM = "single-stream"
    OFFLINE = "offline"
    SERVER = "server"
    ALL = (SINGLE_STREAM, OFFLINE, SERVER)


_QUANTILES = {
    "p50": Aggregation.MEDIAN,
    "p90": Aggregation.P90,
    "p95": Aggregation.P95,
    "p99": Aggregation.P99,
}
_SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_TIMES = {
    "latency": "Seconds end to end",
    "ttft": "Seconds to the first token, of a picture to the end of the first denoising step",
    "tpot": "Seconds per output token behind the first, the mean inter-token latency",
}


class Bounds(NamedTuple):
    """What a request must keep to count for goodput, in seconds; `None` is no bound."""

    latency: float | None
    ttft: float | None
    tpot: float | None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return any(bound is not None for bound in self)

    def kept(self, one: Answered) -> bool:
        """Whether a request kept all of them; an unknown time keeps no bound."""
        pairs = ((self.latency, one.latency), (self.ttft, one.ttft), (self.tpot, one.tpot))
        return all(bound is None or (took is not None and took <= bound) for bound, took in pairs)


def category(capability: Capability, scenario: str) -> str:
    """Category of the measurements of one capability in one scenario.

    Example:
        >>> category(Capability.ANSWER, "server")
        'answer/server'
    """
    return f"{capability.value}/{scenario}"


def query_scores(one: Answered) -> dict[str, float]:
    """Times of one request; those that its response doesn't tell are absent."""
    times = {"latency": one.latency, "ttft": one.ttft, "tpot": one.tpot}
    known = {name: value for name, value in times.items() if value is not None}
    return known | length_score([one.response])


def throughput_scores(served: Sequence[Answered]) -> dict[str, float]:
    """Requests, text tokens and pictures per second, until the last response."""
    seconds = max(one.end for one in served)
    tokens = [one.response.usage.completion_tokens for one in served]
    images = sum(one.response.image is not None for one in served)
    found = {"requests_per_s": len(served) / seconds}
    found |= length_score([one.response for one in served])
    if all(tokens):
        found["tokens_per_s"] = sum(count or 0 for count in tokens) / seconds
    return found | ({"images_per_s": images / seconds} if images else {})


def server_scores(served: Sequence[Answered], bounds: Bounds) -> dict[str, float]:
    """An episode of the server scenario: quantiles over its requests, throughput and goodput."""
    times = [query_scores(one) for one in served]
    found = dict(throughput_scores(served))
    for name in _TIMES:
        found |= _quantiles(name, [row[name] for row in times if name in row])
    if bounds.given:
        kept = sum(bounds.kept(one) for one in served)
        found["goodput"] = kept / max(one.end for one in served)
        found["within_bounds"] = kept / len(served)
    return found


def _quantiles(name: str, values: Sequence[float]) -> dict[str, float]:
    import numpy as np

    if not values:
        return {}
    found = np.quantile(values, list(_SHARES.values()))
    return {f"{name}_{q}": float(value) for q, value in zip(_SHARES, found, strict=True)}


def scenario_metrics() -> tuple[MetricSpec, ...]:
    """All metrics of both capabilities in the three scenarios."""
    return tuple(
        spec
        for capability in SERVED
        for scenario, make in _MAKERS.items()
        for spec in (*make(capability), *_length(capability, scenario))
    )


def _length(capability: Capability, scenario: str) -> Iterable[MetricSpec]:
    if capability is Capability.ANSWER:
        yield _spec(
            capability, scenario, LENGTHS, "tokens", "Median length of answers.",
            direction=Direction.NEITHER,
        )  # fmt: skip


def _single_stream(capability: Capability) -> Iterable[MetricSpec]:
    for name, what in _known(capability).items():
        for short, aggregation in _QUANTILES.items():
            yield _spec(
                capability, Scenario.SINGLE_STREAM, f"{name}_{short}", "s", f"{what}, one by one.",
                score=name, aggregation=aggregation,
            )  # fmt: skip


def _offline(capability: Capability) -> Iterable[MetricSpec]:
    for name, unit in _rates(capability).items():
        yield _spec(capability, Scenario.OFFLINE, name, unit, "Throughput, all requests at once.")
    yield _spec(
        capability, Scenario.OFFLINE, "joules_per_request", "J",
        "Energy by the counters of NVML or RAPL; absent where none can be read.",
    )  # fmt: skip


def _server(capability: Capability) -> Iterable[MetricSpec]:
    for name, what in _known(capability).items():
        for short in _QUANTILES:
            yield _spec(
                capability, Scenario.SERVER, f"{name}_{short}", "s",
                f"{what}, waiting included; {short} of an episode, median over episodes.",
            )  # fmt: skip
    for name, unit in _rates(capability).items():
        yield _spec(capability, Scenario.SERVER, name, unit, "Throughput under Poisson arrivals.")
    yield _spec(
        capability, Scenario.SERVER, "goodput", "requests/s",
        "Requests per second that keep the bounds; absent without bounds.",
    )  # fmt: skip
    yield _spec(
        capability, Scenario.SERVER, "within_bounds", "", "Share of requests that keep the bounds.",
    )  # fmt: skip


_MAKERS: Mapping[str, Callable[[Capability], Iterable[MetricSpec]]] = {
    Scenario.SINGLE_STREAM: _single_stream,
    Scenario.OFFLINE: _offline,
    Scenario.SERVER: _server,
}


def _known(capability: Capability) -> Mapping[str, str]:
    text = capability is Capability.ANSWER
    return {name: what for name, what in _TIMES.items() if text or name != "tpot"}


def _rates(capability: Capability) -> Mapping[str, str]:
    own = "tokens" if capability is Capability.ANSWER else "images"
    return {"requests_per_s": "requests/s", f"{own}_per_s": f"{own}/s"}


def _spec(
    capability: Capability,
    scenario: str,
    name: str,
    unit: str,
    description: str,
    *,
    score: str = "",
    aggregation: Aggregation = Aggregation.MEDIAN,
    direction: Direction | None = None,
) -> MetricSpec:
    lower = Direction.LOWER if unit in ("s", "J") else Direction.HIGHER
    return MetricSpec(
        name=f"{capability.value}_{scenario.replace('-', '_')}_{name}",
        score=score or name,
        aggregation=aggregation,
        direction=direction or lower,
        high=None if unit else 1.0,
        unit=unit,
        category=category(capability, scenario),
        description=description,
    )
