"""`probe-latency`: how long each capability takes, how much memory, and which part takes it.

Every round is a sample. Rounds of different kinds and batch sizes are interleaved, so that a
machine that slows down slows all of them alike; warm-up calls are made and thrown away before the
first round of each kind and size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import msgspec

from harness.components import seconds_by_component
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
from tasks.probes.inputs import DATASET
from tasks.probes.latency_metrics import MEASURED, SIZES, category, latency_metrics, round_scores
from tasks.probes.stability import stability, stability_notes

if TYPE_CHECKING:
    from harness.adapter import ModelAdapter

__all__ = ["LatencyProbe"]

_PROFILE = "profile"


class LatencyProbe(CapabilityProbe):
    """Times every capability that the model declares.

    Options: `rounds` at batch size 1, `batch_rounds` at the others, `batch_sizes`, `warmup` calls,
    `image_size` in pixels, `max_new_tokens` of an answer, `fixed_length`, `steps` (`null`: the
    model's own).
    """

    metadata = TaskMetadata(
        name="probe-latency",
        summary="Latency, throughput, peak memory and component shares of each capability.",
        version=1,
        requires=frozenset(),
        inputs=(Modality.TEXT, Modality.IMAGE),
        outputs=(Modality.TEXT, Modality.IMAGE),
        dataset=DATASET,
        metrics=latency_metrics(),
        protocol_id="probe-latency/v1",
        citation="this package, docs/probes.md",
    )

    measured = MEASURED

    defaults: ClassVar[Mapping[str, JsonValue]] = {
        "rounds": 20,
        "batch_rounds": 5,
        "batch_sizes": [1, 2, 4, 8],
        **CapabilityProbe.defaults,
    }

    def __init__(self, options: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(options)
        self._sizes = _checked_sizes(self.options["batch_sizes"])
        self._rounds = {size: self.whole("batch_rounds", least=1) for size in self._sizes}
        if 1 in self._rounds:
            self._rounds[1] = self.whole("rounds", least=1)
        # Warm-up is a matter of the process, not of the run: a resumed one warms up again.
        self._benches: WeakKeyDictionary[ModelAdapter, Bench] = WeakKeyDictionary()

    def _plan(self, capabilities: Sequence[Capability]) -> Iterator[Sample]:
        """One round of everything, one profile of everything, then the other rounds."""
        for number in range(max(self._rounds.values())):
            for capability in capabilities:
                for size in self._sizes:
                    if number < self._rounds[size]:
                        yield _sample(capability, size, f"round{number}")
            if number == 0:
                for capability in capabilities:
                    yield from (_sample(capability, size, _PROFILE) for size in self._sizes)

    def measure(self, adapter: ModelAdapter, sample: Sample, context: ProbeContext) -> Outcome:
        """Carry out one round, or one profile."""
        bench = self._benches.get(adapter)
        if bench is None:
            bench = self._benches[adapter] = Bench(adapter)
        requests = self._requests(sample, context.seed)
        bench.warm_up(requests, self._warmup)
        if sample.data["what"] == _PROFILE:
            return _profiled(bench, requests)
        timed = bench.time(requests)
        answered = Capability(str(sample.data["capability"])) is Capability.ANSWER
        lengths = answer_lengths(timed.responses) if answered else {}
        return Outcome(
            verdict=Verdict.OK,
            scores=round_scores(timed.seconds, timed.responses),
            details={**lengths, "conditions": conditions(bench.device)},
        )

    def _requests(self, sample: Sample, seed: int) -> list[Request]:
        capability, size = Capability(str(sample.data["capability"])), int(str(sample.data["size"]))
        return [
            self._work.request(
                capability, index, sample_seed(seed, self.metadata.name, sample.id, index)
            )
            for index in range(size)
        ]

    def aggregate(self, scored: Sequence[ScoredSample], protocol: Protocol) -> TaskResult:
        """Metrics of what was measured, with a note on every timing too noisy to compare."""
        result = super().aggregate(scored, protocol)
        primary, *others = result.metrics
        timings, profiles = _gathered(scored)
        judged = {name: stability(seconds) for name, seconds in timings.items()}
        return msgspec.structs.replace(
            result,
            metrics=(primary, *(metric for metric in others if metric.n)),
            notes=(*result.notes, *stability_notes(judged), *self._length_notes(scored)),
            extra={
                "cv": {name: found.cv for name, found in judged.items()},
                "profiles": profiles,
            },
        )


def _checked_sizes(value: Any) -> tuple[int, ...]:
    if not value or not all(size in SIZES and not isinstance(size, bool) for size in value):
        raise SpecError(
            f"probe-latency: batch_sizes is {value!r}",
            f"give a list of some of {', '.join(map(str, SIZES))}",
        )
    return tuple(sorted(set(value)))


def _sample(capability: Capability, size: int, what: str) -> Sample:
    return Sample(
        id=f"{category(capability, size)}/{what}",
        category=category(capability, size),
        data={"capability": capability.value, "size": size, "what": what},
    )


def _profiled(bench: Bench, requests: Sequence[Request]) -> Outcome:
    watched = bench.watch(requests)
    components, memory = seconds_by_component(watched.components), watched.memory
    return Outcome(
        verdict=Verdict.OK,
        reason="" if components else "the adapter watches no components",
        scores={"peak_mib": memory.peak_mib},
        details={
            "memory": {"source": memory.source, "before_mib": memory.before_mib},
            "seconds": watched.seconds,
            "components": components,
            "shares": {name: part / watched.seconds for name, part in components.items()},
            "conditions": conditions(bench.device),
        },
    )


def _gathered(
    scored: Sequence[ScoredSample],
) -> tuple[dict[str, list[float]], dict[str, Mapping[str, JsonValue]]]:
    """Seconds of the rounds, and details of the profile, per category."""
    timings: dict[str, list[float]] = defaultdict(list)
    profiles: dict[str, Mapping[str, JsonValue]] = {}
    for row in scored:
        name = str(row.sample.category)
        if "seconds" in row.outcome.scores:
            timings[name].append(row.outcome.scores["seconds"])
        elif "peak_mib" in row.outcome.scores:
            profiles[name] = row.outcome.details
    return timings, profiles
