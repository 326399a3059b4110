"""`probe-serving`: a model under load, in the scenarios of MLPerf Inference.

Single-stream asks one by one, offline hands everything over at once, server lets requests arrive as
a Poisson process (Reddi et al. 2020, "MLPerf Inference Benchmark"). TTFT, TPOT and goodput are
those of vLLM's serving benchmark and of DistServe (Zhong et al. 2024).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import msgspec

from harness.errors import SpecError
from harness.records import (
    Capability,
    JsonValue,
    Modality,
    Outcome,
    Protocol,
    Request,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    Verdict,
)
from harness.seeds import sample_seed
from harness.task import ProbeContext
from tasks.probes.answer_length import answer_lengths
from tasks.probes.bench import Bench
from tasks.probes.capability_probe import CapabilityProbe
from tasks.probes.conditions import conditions
from tasks.probes.energy import Meter, find_meter
from tasks.probes.inputs import DATASET
from tasks.probes.queueing import Answered, arrival_times, serve
from tasks.probes.scenario_metrics import (
    SERVED,
    Bounds,
    Scenario,
    category,
    query_scores,
    scenario_metrics,
    server_scores,
    throughput_scores,
)
from tasks.probes.stability import stability, stability_notes

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter

__all__ = ["ServingProbe"]

_BATCHES_BEHIND = 2
"""Full batches that may wait when the last request arrives; more is a queue that only grows."""

_JUDGED = {
    Scenario.SINGLE_STREAM: "latency",
    Scenario.OFFLINE: "requests_per_s",
    Scenario.SERVER: "latency_p50",
}


class ServingProbe(CapabilityProbe):
    """Serves requests one by one, all at once, and as they arrive.

    Options: `scenarios`; `queries` of single-stream; `episodes` of the other two with
    `episode_queries` each; `batch` of requests at most; `rate` in requests per second, or, where it
    is `null`, `load`, a share of the offline throughput that the same process measures first;
    `latency_bound`, `ttft_bound`, `tpot_bound` in seconds for goodput; `warmup`, `image_size`,
    `max_new_tokens`, `fixed_length`, `steps` as of probe-latency.
    """

    metadata = TaskMetadata(
        name="probe-serving",
        summary="Latency, throughput and goodput: single-stream, offline, Poisson arrivals.",
        version=1,
        requires=frozenset(),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT, Modality.IMAGE),
        dataset=DATASET,
        metrics=scenario_metrics(),
        protocol_id="probe-serving/v1",
        citation="Reddi et al. 2020 (scenarios), Zhong et al. 2024 (goodput); docs/probes.md",
    )

    measured = SERVED

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "scenarios": list(Scenario.ALL),
        "queries": 32,
        "episodes": 3,
        "episode_queries": 32,
        "batch": 8,
        "rate": None,
        "load": 0.7,
        "latency_bound": None,
        "ttft_bound": None,
        "tpot_bound": None,
        **CapabilityProbe.defaults,
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._scenarios = _checked_scenarios(self.options["scenarios"])
        self._counts = {
            Scenario.SINGLE_STREAM: self.whole("queries", least=1),
            Scenario.OFFLINE: self.whole("episodes", least=1),
            Scenario.SERVER: self.whole("episodes", least=1),
        }
        self._size = self.whole("episode_queries", least=1)
        self._batch = self.whole("batch", least=1)
        self._rate, load = self._seconds("rate"), self._seconds("load")
        self._load = 0.7 if load is None else load
        names = ("latency_bound", "ttft_bound", "tpot_bound")
        self._bounds = Bounds(*(self._seconds(name) for name in names))
        self._places: WeakKeyDictionary[ModelAdapter, _Place] = WeakKeyDictionary()

    def _plan(self, capabilities: Sequence[Capability]) -> Iterator[Sample]:
        """Scenarios and capabilities take turns, so that a slow minute hits all alike."""
        for number in range(max(self._counts[name] for name in self._scenarios)):
            for capability in capabilities:
                for name in self._scenarios:
                    if number < self._counts[name]:
                        yield _sample(capability, name, number)

    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        """Serve one query, or one episode of many."""
        place = self._places.get(adapter)
        if place is None:
            place = self._places[adapter] = _Place(adapter)
        capability = Capability(str(sample.data["capability"]))
        self._warm_up(place, capability, context.seed)
        seed = sample_seed(context.seed, self.metadata.name, sample.id, sample.k)
        scenario = str(sample.data["scenario"])
        found = getattr(self, f"_{scenario.replace('-', '_')}")(place, capability, seed)
        details = {**found.details, "conditions": conditions(place.device)}
        return Outcome(verdict=Verdict.OK, scores=found.scores, details=details)

    def _single_stream(self, place: _Place, capability: Capability, seed: int) -> Outcome:
        (one,) = serve(self._requests(capability, seed, 1), [0.0], 1, place.bench.time)
        return Outcome(verdict=Verdict.OK, scores=query_scores(one), details=_lengths([one]))

    def _offline(self, place: _Place, capability: Capability, seed: int) -> Outcome:
        before = None if place.meter.read is None else place.meter.read()
        served = self._all_at_once(place, capability, seed)
        scores = throughput_scores(served)
        if before is not None and place.meter.read is not None:
            scores["joules_per_request"] = (place.meter.read() - before) / len(served)
        return Outcome(
            verdict=Verdict.OK,
            scores=scores,
            details={"energy": place.meter.source or place.meter.reason, **_lengths(served)},
        )

    def _server(self, place: _Place, capability: Capability, seed: int) -> Outcome:
        rate = self._rate or self._load * self._capacity(place, capability, seed)
        served = serve(
            self._requests(capability, seed, self._size),
            arrival_times(seed, self._size, rate),
            self._batch,
            place.bench.time,
        )
        return Outcome(
            verdict=Verdict.OK,
            scores=server_scores(served, self._bounds),
            details={
                "rate": rate,
                "batches": [one.batch for one in served],
                "waiting_at_end": sum(one.start > served[-1].arrival for one in served),
                "arrivals": [one.arrival for one in served],
                "latencies": [one.latency for one in served],
                **_lengths(served),
            },
        )

    def _all_at_once(self, place: _Place, capability: Capability, seed: int) -> list[Answered]:
        requests = self._requests(capability, seed, self._size)
        return serve(requests, [0.0] * len(requests), self._batch, place.bench.time)

    def _capacity(self, place: _Place, capability: Capability, seed: int) -> float:
        """Requests per second of a full queue, measured once in this process."""
        if capability not in place.capacity:
            served = self._all_at_once(place, capability, seed)
            place.capacity[capability] = throughput_scores(served)["requests_per_s"]
        return place.capacity[capability]

    def _warm_up(self, place: _Place, capability: Capability, seed: int) -> None:
        largest = min(self._batch, self._size)
        sizes = {1, largest, self._size % self._batch or largest}  # an episode's last batch
        # Any size may come up while requests arrive as they like.
        sizes |= set(range(1, largest + 1)) if Scenario.SERVER in self._scenarios else set()
        for size in sorted(sizes):
            place.bench.warm_up(self._requests(capability, seed, size), self._warmup)

    def _requests(self, capability: Capability, seed: int, count: int) -> list[Request]:
        make: Callable[[int, int], Request] = partial(self._work.request, capability)
        return [make(i, sample_seed(seed, self.metadata.name, "request", i)) for i in range(count)]

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """Metrics of what was measured, and notes on what they don't say.

        `extra.rates` holds each rate, in requests per second, at which a server episode was fed.
        """
        result = super().aggregate(scored, protocol)
        primary, *others = result.metrics
        gathered, slow, energy = _gathered(scored)
        judged = {name: stability(values) for name, values in gathered.items()}
        rates, lengths = _rates(scored), self._length_notes(scored)
        return msgspec.structs.replace(
            result,
            metrics=(primary, *(metric for metric in others if metric.n)),
            notes=(*result.notes, *stability_notes(judged), *slow, *_rate_notes(rates), *lengths),
            extra={
                "cv": {name: found.cv for name, found in judged.items()},
                "energy": energy,
                "rates": {name: list(found) for name, found in rates.items()},
            },
        )

    def _seconds(self, option: str) -> float | None:
        value: Any = self.options[option]
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise SpecError(
                f"{self.metadata.name}: {option} is {value!r}", "give a number above 0, or null"
            )
        return float(value)


def _lengths(served: Sequence[Answered]) -> dict[str, JsonValue]:
    """Lengths of answers; nothing of pictures."""
    responses = [one.response for one in served]
    return {} if responses[0].text is None else answer_lengths(responses)


class _Place:
    """One adapter with what was found out about it in this process."""

    def __init__(self, adapter: ModelAdapter) -> None:
        self.bench = Bench(adapter)
        self.device = adapter.fingerprint().device
        self.meter: Meter = find_meter(self.device)
        self.capacity: dict[Capability, float] = {}


def _checked_scenarios(value: Any) -> tuple[str, ...]:
    if not value or len(set(map(str, value))) < len(value) or not set(value) <= set(Scenario.ALL):
        raise SpecError(
            f"probe-serving: scenarios is {value!r}",
            f"give a list of some of {', '.join(Scenario.ALL)}",
        )
    return tuple(name for name in Scenario.ALL if name in value)


def _sample(capability: Capability, scenario: str, number: int) -> Sample:
    return Sample(
        id=f"{category(capability, scenario)}/{number}",
        category=category(capability, scenario),
        data={"capability": capability.value, "scenario": scenario},
    )


def _gathered(
    scored: Sequence[ScoredSample],
) -> tuple[dict[str, list[float]], list[str], list[JsonValue]]:
    """What stability is judged by, notes on queues that only grew, and how energy was measured."""
    gathered, energy = defaultdict[str, list[float]](list), dict[str, None]()
    behind: dict[str, int] = defaultdict(int)
    for row in scored:
        name, scores, details = str(row.sample.category), row.outcome.scores, row.outcome.details
        judged = scores.get(_JUDGED[name.partition("/")[2]])
        if judged is not None:
            gathered[name].append(judged)
        if "energy" in details:
            energy[str(details["energy"])] = None
        if "waiting_at_end" in details:
            most = max(map(int, details["batches"]))  # type: ignore[arg-type]
            behind[name] += int(str(details["waiting_at_end"])) > _BATCHES_BEHIND * most
    notes = [
        f"{name}: in {count} episodes the queue grew faster than it was served; "
        "latencies grow with the length of an episode"
        for name, count in behind.items()
        if count
    ]
    return gathered, notes, list(energy)


def _rates(scored: Sequence[ScoredSample]) -> dict[str, list[float]]:
    """Different rates of each capability's server episodes; more than one after a resume."""
    rates = defaultdict[str, dict[float, None]](dict)
    for row in scored:
        rate = row.outcome.details.get("rate")
        if isinstance(rate, int | float):
            rates[str(row.sample.category)][float(rate)] = None
    return {name: list(found) for name, found in rates.items()}


def _rate_notes(rates: Mapping[str, Sequence[float]]) -> list[str]:
    return [
        f"{name}: medians mix episodes of {len(found)} rates, {min(found):.4g} to {max(found):.4g} "
        "requests per second: every process measured its own; give `rate` to have one"
        for name, found in rates.items()
        if len(found) > 1
    ]
