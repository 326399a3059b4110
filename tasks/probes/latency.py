"""`probe-latency`: how fast each capability is, in the field's terms.

TTFT, time per output token (TPOT), seconds per image, NFE per second, throughput by batch size,
peak memory, and each component's share. Rounds of all measurements take turns, so that a slow
minute of the machine hits all alike; the first round of each is a warm-up and thrown away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from harness.records import (
    Aggregation,
    Capability,
    DatasetInfo,
    Direction,
    Identity,
    JsonValue,
    MetricSpec,
    Modality,
    Outcome,
    Protocol,
    Sample,
    ScoredSample,
    TaskMetadata,
    TaskResult,
    Verdict,
)
from harness.task import Probe, ProbeContext
from tasks.probes.rounds import TIMED, build_requests, timed_round

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter

__all__ = ["LatencyProbe"]

_NOISY_CV = 0.15
_QUANTILES = {"p50": Aggregation.MEDIAN, "p90": Aggregation.P90, "p99": Aggregation.P99}


def _seconds(name: str, score: str, what: str, aggregation: Aggregation) -> MetricSpec:
    return MetricSpec(
        name=name,
        score=score,
        aggregation=aggregation,
        direction=Direction.LOWER,
        high=None,
        unit="s",
        description=what,
    )


def _rate(name: str, score: str, unit: str, what: str) -> MetricSpec:
    return MetricSpec(
        name=name,
        score=score,
        aggregation=Aggregation.MEDIAN,
        high=None,
        unit=unit,
        description=what,
    )


_MEDIAN = Aggregation.MEDIAN
_METRICS = (
    _seconds("image_p50", "generate_image_s", "Seconds per image at batch size 1.", _MEDIAN),
    _seconds("answer_p50", "answer_s", "Seconds per answer at batch size 1.", _MEDIAN),
    _seconds("ttft_p50", "answer_ttft_s", "Time to first token at batch size 1.", _MEDIAN),
    _seconds("tpot_p50", "answer_tpot_s", "Time per output token after the first.", _MEDIAN),
    *(
        _seconds(f"{label}_{q}", score, f"{q} of {what} at batch size 1.", aggregation)
        for label, score, what in (
            ("image", "generate_image_s", "seconds per image"),
            ("answer", "answer_s", "seconds per answer"),
            ("ttft", "answer_ttft_s", "time to first token"),
        )
        for q, aggregation in _QUANTILES.items()
        if q != "p50"
    ),
    _seconds("edit_p50", "edit_image_s", "Seconds per edit at batch size 1.", _MEDIAN),
    _seconds("reconstruct_p50", "reconstruct_s", "Seconds per reconstruction.", _MEDIAN),
    _rate("nfe_per_s", "generate_image_nfe_per_s", "NFE/s", "Denoiser calls per second."),
    MetricSpec(
        name="peak_memory",
        score="peak_memory_mib",
        aggregation=Aggregation.MEDIAN,
        direction=Direction.LOWER,
        high=None,
        unit="MiB",
        description="Peak memory of a round: CUDA allocator on a GPU, resident set on a CPU.",
    ),
)


class LatencyProbe(Probe):
    """Latency, throughput and memory per capability."""

    metadata = TaskMetadata(
        name="probe-latency",
        summary="TTFT, TPOT, seconds per image, NFE/s, throughput by batch size, peak memory.",
        version=1,
        requires=frozenset(),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT, Modality.IMAGE),
        dataset=DatasetInfo(name="noise", revision="1", split="none", licence="CC0-1.0"),
        metrics=_METRICS,
        protocol_id="probe-latency/v1",
        citation="Terms: Reddi et al., MLPerf Inference Benchmark, ISCA 2020.",
    )

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "rounds": 10,
        "batch_sizes": "1,2,4,8",
        "tokens": 8,
        "steps": 4,
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._warm: set[tuple[int, str, int]] = set()  # warm-up is state of the process

    def samples(self) -> Iterator[Sample]:
        """Rounds of every capability and batch size taking turns, then one breakdown of each."""
        sizes = [int(size) for size in str(self.options["batch_sizes"]).split(",")]
        for number in range(self.whole("rounds")):
            for capability in TIMED:
                for size in sizes:
                    yield _planned(capability, f"b{size}", number, size)
        for capability in TIMED:
            yield _planned(capability, "components", 0, 1)

    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        """Time one round; a capability that the model lacks has nothing to time."""
        capability = Capability(str(sample.data["capability"]))
        if capability not in adapter.card.capabilities:
            return Outcome(
                verdict=Verdict.OK, reason=f"not applicable: no capability {capability.value}"
            )
        size = int(str(sample.data["size"]))
        requests = build_requests(
            capability,
            size,
            seed=context.seed,
            name=sample.key,
            tokens=self.whole("tokens"),
            steps=self.whole("steps"),
        )
        self._warm_up(adapter, capability, size, requests)
        if sample.data["part"] == "components":
            with adapter.time_components() as seconds:
                timed_round(adapter, requests)
            return Outcome(verdict=Verdict.OK, details={"seconds": dict(seconds)})
        scores = timed_round(adapter, requests)
        if size > 1:  # only single requests enter the latency metrics
            scores = {f"b{size}/{name}": value for name, value in scores.items()}
        return Outcome(verdict=Verdict.OK, scores=scores)

    def _warm_up(
        self, adapter: ModelAdapter, capability: Capability, size: int, requests: Sequence[object]
    ) -> None:
        key = (id(adapter), capability.value, size)
        if key not in self._warm:
            timed_round(adapter, requests)
            self._warm.add(key)

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """Metrics, and beside them throughput by batch size, component shares and stability."""
        result = super().aggregate(scored, protocol)
        rates, shares = _throughput(scored), _shares(scored)
        return msgspec.structs.replace(
            result,
            notes=(*result.notes, *_stability(scored)),
            extra={"throughput_per_s": rates, "component_share": shares},
        )

    def scorer(self) -> Identity:
        """Wall clock around synchronised batches."""
        return Identity(id="wall-clock", version="1")

    def prompt_template(self) -> str:
        """The fixed question; images are noise."""
        return "what color is the circle?"

    def decoding(self) -> Mapping[str, JsonValue]:
        """Tokens and steps of a round."""
        return {"max_new_tokens": self.options["tokens"], "steps": self.options["steps"]}


def _planned(capability: Capability, part: str, number: int, size: int) -> Sample:
    return Sample(
        id=f"{capability.value}/{part}",
        k=number,
        cluster=f"{capability.value}/{part}/{number}",  # rounds are independent measurements
        category=capability.value,
        data={"capability": capability.value, "size": size, "part": part},
    )


def _rounds(scored: Sequence[ScoredSample]) -> dict[tuple[str, int], list[float]]:
    """Batch seconds of every round by capability and batch size."""
    seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in scored:
        for name, value in row.outcome.scores.items():
            if name.endswith("_batch_s"):
                key = (str(row.sample.category), int(str(row.sample.data["size"])))
                seconds[key].append(value)
    return seconds


def _throughput(scored: Sequence[ScoredSample]) -> dict[str, JsonValue]:
    """Items per second by capability and batch size, from the median round."""
    from statistics import median

    rates: dict[str, dict[str, JsonValue]] = defaultdict(dict)
    for (capability, size), seconds in _rounds(scored).items():
        rates[capability][str(size)] = size / median(seconds)
    return dict(rates)


def _shares(scored: Sequence[ScoredSample]) -> dict[str, JsonValue]:
    """Each component's share of the time inside components, by capability."""
    shares: dict[str, JsonValue] = {}
    for row in scored:
        seconds = row.outcome.details.get("seconds")
        if isinstance(seconds, Mapping) and seconds:
            total = sum(float(str(value)) for value in seconds.values())
            shares[str(row.sample.category)] = {
                name: float(str(value)) / total if total else 0.0 for name, value in seconds.items()
            }
    return shares


def _stability(scored: Sequence[ScoredSample]) -> list[str]:
    """A note per measurement whose rounds scatter too much to be compared."""
    from statistics import mean, stdev

    notes = []
    for (capability, size), seconds in _rounds(scored).items():
        if len(seconds) < 2:
            continue
        variation = stdev(seconds) / mean(seconds)
        if variation > _NOISY_CV:
            notes.append(
                f"{capability} at batch size {size}: too noisy to compare, CV {variation:.0%}"
            )
    return notes
