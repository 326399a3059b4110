"""Reading two runs' ledgers side by side, response by response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.aggregate import value_of
from harness.columns import ColumnBuilder
from harness.compare import Difference, Side, Skipped
from harness.compare.comparison import named_tasks, why_not_comparable
from harness.compare.measuring import measure_difference
from harness.conformance import Tolerance
from harness.errors import ProtocolMismatchError
from harness.ledger import Entry, Ledger, read_manifest
from harness.pairing import pair_up
from harness.parity.pairs import DISTANCES, SPECS, difference_said, likenesses
from harness.parity.records import Apart, Measure, Parity, TaskParity, Weights
from harness.records import (
    MetricSpec,
    Outcome,
    Response,
    RunManifest,
    Sample,
    ScoredSample,
    TaskPlan,
    Verdict,
)
from harness.run.restoring import restore

__all__ = ["measure_parity"]

_REMEDY = "run both with the same tasks, options, limit and seed"
_MISSING = Outcome(verdict=Verdict.MISSING)


def measure_parity(
    first: str | Path,
    second: str | Path,
    *,
    tasks: Sequence[str] = (),
    tolerance: Tolerance | None = None,
) -> Parity:
    """Compare the responses of two runs that asked two backends the same.

    Args:
        first: Run folder that differences are taken from.
        second: The other run folder.
        tasks: Only these tasks; empty is all that both have under one protocol.
        tolerance: When two responses count as equal.

    Raises:
        LedgerError: A folder isn't a run, a picture is lost, or the runs hold other samples.
        ProtocolMismatchError: A sample was asked otherwise in the two runs.
        UnknownNameError: No run has such a task.
    """
    limits = tolerance or Tolerance()
    manifests = read_manifest(Path(first)), read_manifest(Path(second))
    found, skipped = [], []
    with Ledger.open(first) as one, Ledger.open(second) as other:
        for name in named_tasks(manifests, tuple(tasks)):
            plan, rival = (_plan(manifest, name) for manifest in manifests)
            reason = why_not_comparable(plan, rival)
            if reason or plan is None:
                skipped.append(Skipped(task=name, reason=reason))
            else:
                found.append(_Task(plan, limits).read(one, other))
    return Parity(
        first=_side(first, manifests[0]),
        second=_side(second, manifests[1]),
        weights=_weights(*manifests),
        tolerance=limits,
        tasks=tuple(found),
        skipped=tuple(skipped),
    )


class _Far(NamedTuple):
    """The largest distance so far, and whose it is."""

    value: float
    sample: str


class _Task:
    """Gathers one task: numbers for each quantity, and the samples that differ."""

    def __init__(self, plan: TaskPlan, tolerance: Tolerance) -> None:
        self._plan, self._tolerance = plan, tolerance
        self._likenesses = [ColumnBuilder(spec) for spec in SPECS]
        metrics = plan.metadata.metrics
        self._metrics = [(ColumnBuilder(spec), ColumnBuilder(spec)) for spec in metrics]
        self._largest: dict[str, _Far] = {}
        self._counts = {"both": 0, "only_first": 0, "only_second": 0, "neither": 0}
        self._apart: list[Apart] = []

    def read(self, first: Ledger, second: Ledger) -> TaskParity:
        """Read both runs' samples and measure."""
        name, places = self._plan.task, (str(first.folder), str(second.folder))
        rows = first.entries(name), second.entries(name)
        for a, b in pair_up(name, *rows, places, _REMEDY):
            self._score(a, b)
            if a.response is not None and b.response is not None:
                _check_asked(name, a, b)
                pair = restore(first.folder, a.response), restore(second.folder, b.response)
                self._compare(a, b, *pair)
            self._counts[_who(a, b)] += 1
        return self._result()

    def _score(self, a: Entry, b: Entry) -> None:
        scored = [ScoredSample(sample=e.sample, outcome=e.outcome or _MISSING) for e in (a, b)]
        for one, other in self._metrics:
            if one.takes(scored[0]) and other.takes(scored[1]):
                one.add(scored[0])
                other.add(scored[1])

    def _compare(self, a: Entry, b: Entry, first: Response, second: Response) -> None:
        said = difference_said(first, second, self._tolerance)
        found = likenesses(first, second, said)
        same = _same_verdict(a, b)
        if same is not None:
            found["same_verdict"] = float(same)
        self._note(a.sample, found)
        if said:
            self._apart.append(_apart(a.sample, said, same_verdict=bool(same)))

    def _note(self, sample: Sample, found: dict[str, float]) -> None:
        row = ScoredSample(sample=sample, outcome=Outcome(verdict=Verdict.OK, scores=found))
        for builder in self._likenesses:
            builder.add(row)
        for name in DISTANCES & found.keys():
            if name not in self._largest or found[name] > self._largest[name].value:
                self._largest[name] = _Far(found[name], sample.key)

    def _result(self) -> TaskParity:
        measures = [self._measure(builder) for builder in self._likenesses]
        return TaskParity(
            task=self._plan.task,
            protocol_hash=self._plan.protocol.hash,
            samples=self._counts["both"],
            only_first=self._counts["only_first"],
            only_second=self._counts["only_second"],
            neither=self._counts["neither"],
            measures=(measures[0], *(m for m in measures[1:] if m.value.value is not None)),
            differences=tuple(self._differences()),
            apart=tuple(self._apart),
        )

    def _measure(self, builder: ColumnBuilder) -> Measure:
        spec, far = builder.spec, self._largest.get(builder.spec.name)
        return Measure(
            metric=spec,
            value=value_of(spec, builder.column()),
            largest=None if far is None else far.value,
            sample="" if far is None else far.sample,
        )

    def _differences(self) -> Iterator[Difference]:
        for one, other in self._metrics:
            spec: MetricSpec = one.spec
            yield measure_difference(
                self._plan.task,
                spec,
                one.column(),
                other.column(),
                protocol_hash=self._plan.protocol.hash,
                primary=spec == self._plan.metadata.primary,
            )


def _who(a: Entry, b: Entry) -> str:
    there = a.response is not None, b.response is not None
    names = {(True, True): "both", (True, False): "only_first", (False, True): "only_second"}
    return names.get(there, "neither")


def _check_asked(task: str, a: Entry, b: Entry) -> None:
    if a.request_digest != b.request_digest:
        raise ProtocolMismatchError(
            f"sample {a.sample.key} of task {task!r} was asked otherwise in the two runs, though "
            "their protocols are equal",
            "run both with one version of the task and of the packages that its pictures come from",
        )


def _same_verdict(a: Entry, b: Entry) -> bool | None:
    verdicts = [None if e.outcome is None else e.outcome.verdict for e in (a, b)]
    if any(verdict is None or not verdict.is_known for verdict in verdicts):
        return None
    return verdicts[0] is verdicts[1]


def _apart(sample: Sample, said: str, *, same_verdict: bool) -> Apart:
    return Apart(
        id=sample.id, k=sample.k, category=sample.category, said=said, same_verdict=same_verdict
    )


def _plan(manifest: RunManifest, task: str) -> TaskPlan | None:
    return next((plan for plan in manifest.tasks if plan.task == task), None)


def _side(folder: str | Path, manifest: RunManifest) -> Side:
    label = manifest.label or manifest.model.name
    return Side(label=label, folder=str(folder), fingerprint=manifest.fingerprint)


def _weights(first: RunManifest, second: RunManifest) -> Weights:
    hashes = [manifest.fingerprint.weights_sha256 for manifest in (first, second)]
    if None in hashes:
        return Weights.UNKNOWN
    return Weights.EQUAL if hashes[0] == hashes[1] else Weights.DIFFERENT
