"""`probe-components`: which part of a model takes the time, and how near it is to the roofline.

Each round measures the machine's peaks, times every component by phase, and compares. Operations
and bytes are counted in a pass of their own, once: they are the same every round. The probe knows
no model; the adapter names its components.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import msgspec

from harness.components import ComponentWork
from harness.errors import CapabilityError
from harness.records import (
    Aggregation,
    Capability,
    Direction,
    JsonValue,
    MetricSpec,
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
from tasks.probes.answer_length import LENGTHS, answer_lengths, length_score
from tasks.probes.bench import Bench, Watched
from tasks.probes.capability_probe import CapabilityProbe
from tasks.probes.conditions import conditions
from tasks.probes.inputs import DATASET
from tasks.probes.latency_metrics import MEASURED
from tasks.probes.rooflines import costs, totals
from tasks.probes.stability import stability, stability_notes

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter

__all__ = ["ComponentsProbe"]

_NUMBERS = ("seconds", "share", "mfu", "mbu", "roofline")


class _Whole(msgspec.Struct, frozen=True):
    """A number about whole requests."""

    unit: str
    high: float | None
    direction: Direction
    description: str


_WHOLE = {
    "mfu": _Whole("", None, Direction.HIGHER, "Operations per second over the measured peak."),
    "mbu": _Whole("", None, Direction.HIGHER, "Least traffic per second over the measured peak."),
    "roofline": _Whole("", None, Direction.HIGHER, "Time at the roofline over wall time."),
    "watched": _Whole("", None, Direction.NEITHER, "Share of the wall time inside components."),
    "gflops": _Whole("GFLOP", None, Direction.LOWER, "Operations of the batch."),
    "weights_mib": _Whole("MiB", None, Direction.LOWER, "Weights of the components that ran."),
    "kv_cache_mib": _Whole("MiB", None, Direction.LOWER, "Most keys and values at once."),
    "working_mib": _Whole("MiB", None, Direction.LOWER, "Most memory held above the start's."),
    LENGTHS: _Whole("tokens", None, Direction.NEITHER, "Median length of the batch's answers."),
    "itl_p50": _Whole("s", None, Direction.LOWER, "Inter-token latency, median of a batch."),
    "itl_p99": _Whole("s", None, Direction.LOWER, "Inter-token latency, 99th percentile."),
}


def _metrics() -> tuple[MetricSpec, ...]:
    return tuple(
        MetricSpec(
            name=f"{capability.value}_{name}",
            score=name,
            aggregation=Aggregation.MEDIAN,
            direction=what.direction,
            high=what.high,
            unit=what.unit,
            category=capability.value,
            description=f"{what.description} Median over rounds.",
        )
        for capability in MEASURED
        for name, what in _WHOLE.items()
        if capability is Capability.ANSWER or not name.startswith(("itl", LENGTHS))
    )


class ComponentsProbe(CapabilityProbe):
    """Times components and holds them to the machine's measured peaks.

    Options: `rounds`, `batch` requests at once, `warmup` calls, `image_size`, `max_new_tokens`,
    `fixed_length`, `steps` (`null`: the model's own).
    """

    metadata = TaskMetadata(
        name="probe-components",
        summary="Time, FLOPs, bytes, MFU and MBU of each component; memory by kind; ITL.",
        version=1,
        requires=frozenset({Capability.COMPONENTS}),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT, Modality.IMAGE),
        dataset=DATASET,
        metrics=_metrics(),
        protocol_id="probe-components/v1",
        citation="Williams et al. 2009 (roofline); this package, docs/probes.md",
    )

    measured = MEASURED

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "rounds": 5,
        "batch": 1,
        **CapabilityProbe.defaults,
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._rounds, self._size = self.whole("rounds", least=1), self.whole("batch", least=1)
        self._places: WeakKeyDictionary[ModelAdapter, _Place] = WeakKeyDictionary()

    def _plan(self, capabilities: Sequence[Capability]) -> Iterator[Sample]:
        for number in range(self._rounds):
            for capability in capabilities:
                yield Sample(id=f"{capability.value}/round{number}", category=capability.value)

    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        """Measure the peaks, then one watched batch.

        Raises:
            CapabilityError: The adapter watches no components.
        """
        place = self._places.get(adapter)
        if place is None:
            place = self._places[adapter] = _Place(adapter)
        capability = Capability(str(sample.category))
        requests = self._requests(capability, context.seed)
        place.bench.warm_up(requests, self._warmup)
        counted = place.count(capability, requests)
        peaks, watched = place.peaks(), place.bench.watch(requests)
        found = costs(watched.components, counted, peaks, watched.seconds)
        scores = totals(found, peaks, watched.seconds) | _memory(watched) | _itl(watched)
        answered = capability is Capability.ANSWER
        lengths = answer_lengths(watched.responses) if answered else {}
        return Outcome(
            verdict=Verdict.OK,
            scores=scores | length_score(watched.responses),
            details={
                **lengths,
                "seconds": watched.seconds,
                "peaks": msgspec.structs.asdict(peaks),
                "components": {name: msgspec.structs.asdict(one) for name, one in found.items()},
                "memory": watched.memory.source,
                "conditions": conditions(place.device),
            },
        )

    def _requests(self, capability: Capability, seed: int) -> list[Request]:
        key = (self.metadata.name, capability.value)
        return [
            self._work.request(capability, place, sample_seed(seed, *key, place))
            for place in range(self._size)
        ]

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """Metrics of whole requests; `extra` holds each component's medians, and the peaks."""
        result = super().aggregate(scored, protocol)
        primary, *others = result.metrics
        rounds = defaultdict[str, list[Mapping[str, Any]]](list)
        for row in scored:
            if "components" in row.outcome.details:
                rounds[str(row.sample.category)].append(row.outcome.details)
        judged = {
            name: stability([float(one["seconds"]) for one in found])
            for name, found in rounds.items()
        }
        return msgspec.structs.replace(
            result,
            metrics=(primary, *(metric for metric in others if metric.n)),
            notes=(*result.notes, *stability_notes(judged), *self._length_notes(scored)),
            extra={
                "components": {name: _medians(found) for name, found in rounds.items()},
                "peaks": _peaks(rounds),
            },
        )


class _Place:
    """One adapter with what was counted about it in this process."""

    def __init__(self, adapter: ModelAdapter) -> None:
        self.bench = Bench(adapter)
        fingerprint = adapter.fingerprint()
        self.device, self._dtype = fingerprint.device, fingerprint.dtype
        self._name = adapter.card.name
        self._counted: dict[Capability, Mapping[str, ComponentWork]] = {}

    def peaks(self) -> Any:
        from harness.torch_support import measure_peaks

        return measure_peaks(self.device.partition(":")[0], self._dtype)

    def count(
        self, capability: Capability, requests: Sequence[Request]
    ) -> Mapping[str, ComponentWork]:
        if capability not in self._counted:
            self._counted[capability] = self.bench.count(requests)
        if not self._counted[capability]:
            raise CapabilityError(
                f"the adapter of {self._name!r} watches no components in {capability.value!r}",
                "its adapter names them by defining `watch_components`",
            )
        return self._counted[capability]


def _memory(watched: Watched) -> dict[str, float]:
    return {"working_mib": max(0.0, watched.memory.peak_mib - watched.memory.before_mib)}


def _itl(watched: Watched) -> dict[str, float]:
    """Quantiles of the gaps between decoding steps; nothing where there are none."""
    import numpy as np

    steps = [one for name, one in watched.components.items() if name.endswith("/decode")]
    gaps = [gap for one in steps for gap in one.gaps_s]
    if not gaps:
        return {}
    p50, p99 = np.quantile(gaps, (0.5, 0.99))
    return {"itl_p50": float(p50), "itl_p99": float(p99)}


def _medians(rounds: Sequence[Mapping[str, Any]]) -> dict[str, JsonValue]:
    """Each component with the medians of what varies between rounds."""
    found: dict[str, JsonValue] = {}
    for name, first in rounds[0]["components"].items():
        every = [one["components"][name] for one in rounds]
        varying = {key: statistics.median(float(one[key]) for one in every) for key in _NUMBERS}
        found[name] = {**first, **varying}
    return found


def _peaks(rounds: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, JsonValue]:
    """Median peaks over all rounds, with how far they drifted."""
    every = [one["peaks"] for found in rounds.values() for one in found]
    peaks: dict[str, JsonValue] = {}
    for key in ("flops_per_s", "bytes_per_s"):
        values = [float(one[key]) for one in every]
        if values:
            peaks[key] = statistics.median(values)
            peaks[f"{key}_spread"] = max(values) / min(values)
    return peaks
