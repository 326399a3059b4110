"""Reading two runs of the same responses side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.agreement.kappa import Kappa, cohen_kappa
from harness.agreement.records import Agreement, Disagreement, JudgeSide, TaskAgreement
from harness.columns import ColumnBuilder
from harness.compare import Difference, Skipped
from harness.compare.measuring import measure_difference
from harness.errors import ProtocolMismatchError, UnknownNameError
from harness.ledger import Entry, Ledger, read_manifest
from harness.names import suggest
from harness.pairing import pair_up
from harness.records import MetricSpec, Outcome, RunManifest, ScoredSample, TaskPlan, Verdict

__all__ = ["measure_agreement"]

_KNOWN = tuple(verdict for verdict in Verdict if verdict.is_known)
_MISSING = Outcome(verdict=Verdict.MISSING)


def measure_agreement(
    first: str | Path,
    second: str | Path,
    *,
    tasks: Sequence[str] = (),
    metrics: Sequence[str] = (),
) -> Agreement:
    """Compare the verdicts of two runs that hold the same responses.

    Args:
        first: Run folder of the first judge.
        second: Run folder of the second judge.
        tasks: Only these tasks; empty is all that both runs have.
        metrics: Only these metrics' differences; empty is all.

    Raises:
        LedgerError: A folder isn't a run, or the runs hold other samples.
        ProtocolMismatchError: A response differs, so that models are compared instead of judges.
        UnknownNameError: No run has such a task, or no task such a metric.
    """
    folders = Path(first), Path(second)
    manifests = [read_manifest(folder) for folder in folders]
    plans = [_plans(manifest) for manifest in manifests]
    names = list(dict.fromkeys([*plans[0], *plans[1]]))
    _check_names("run has a task", tasks, names)
    known = [m.name for p in plans for plan in p.values() for m in plan.metadata.metrics]
    _check_names("task has a metric", metrics, known)
    found, skipped = [], []
    with Ledger.open(folders[0]) as one, Ledger.open(folders[1]) as other:
        for name in (name for name in names if not tasks or name in tasks):
            pair = plans[0].get(name), plans[1].get(name)
            if pair[0] is None or pair[1] is None:
                side = "second" if pair[0] is None else "first"
                skipped.append(Skipped(task=name, reason=f"only the {side} run has it"))
                continue
            found.append(_Task(pair[0], pair[1], metrics).read(one, other))
    return Agreement(
        first=str(first), second=str(second), tasks=tuple(found), skipped=tuple(skipped)
    )


class _Task:
    """Gathers one task's verdicts; a few numbers for each sample are kept, and disagreements."""

    def __init__(self, first: TaskPlan, second: TaskPlan, metrics: Sequence[str]) -> None:
        self._plans = first, second
        specs = [m for m in first.metadata.metrics if not metrics or m.name in metrics]
        self._builders = [(ColumnBuilder(spec), ColumnBuilder(spec)) for spec in specs]
        self._pairs: Counter[tuple[Verdict, Verdict]] = Counter()
        self._clusters: dict[str, Counter[tuple[int, int]]] = {}
        self._unknown = 0
        self._apart: list[Disagreement] = []

    def read(self, first: Ledger, second: Ledger) -> TaskAgreement:
        """Read both runs' samples and measure their agreement."""
        for a, b in _paired(self._plans[0].task, first, second):
            self._add(a, b)
        return self._result()

    def _add(self, a: Entry, b: Entry) -> None:
        scored = [
            ScoredSample(sample=entry.sample, outcome=entry.outcome or _MISSING) for entry in (a, b)
        ]
        for one, other in self._builders:
            if one.takes(scored[0]) and other.takes(scored[1]):
                one.add(scored[0])
                other.add(scored[1])
        verdicts = scored[0].outcome.verdict, scored[1].outcome.verdict
        if not (verdicts[0].is_known and verdicts[1].is_known):
            self._unknown += 1
            return
        self._pairs[verdicts] += 1
        place = _KNOWN.index(verdicts[0]), _KNOWN.index(verdicts[1])
        self._clusters.setdefault(a.sample.cluster_id, Counter())[place] += 1
        if verdicts[0] is not verdicts[1]:
            self._apart.append(_disagreement(a, *(row.outcome for row in scored)))

    def _result(self) -> TaskAgreement:
        samples = self._pairs.total()
        same = sum(count for (a, b), count in self._pairs.items() if a is b)
        kappa = self._kappa()
        return TaskAgreement(
            task=self._plans[0].task,
            first=_side(self._plans[0]),
            second=_side(self._plans[1]),
            samples=samples,
            clusters=len(self._clusters),
            unknown=self._unknown,
            counts={f"{a.value}/{b.value}": n for (a, b), n in sorted(self._pairs.items())},
            agreed=same / samples if samples else None,
            kappa=kappa.value,
            kappa_low=kappa.low,
            kappa_high=kappa.high,
            differences=tuple(self._difference(*pair) for pair in self._builders),
            disagreements=tuple(self._apart),
        )

    def _kappa(self) -> Kappa:
        if not self._clusters:
            return Kappa(None, None, None)
        tables = np.zeros((len(self._clusters), len(_KNOWN), len(_KNOWN)), dtype=np.int64)
        for table, counts in zip(tables, self._clusters.values(), strict=True):
            for place, count in counts.items():
                table[place] = count
        return cohen_kappa(tables)

    def _difference(self, one: ColumnBuilder, other: ColumnBuilder) -> Difference:
        spec: MetricSpec = one.spec
        return measure_difference(
            self._plans[0].task,
            spec,
            one.column(),
            other.column(),
            protocol_hash=self._plans[1].protocol.hash,
            primary=spec == self._plans[0].metadata.primary,
        )


def _paired(task: str, first: Ledger, second: Ledger) -> Iterator[tuple[Entry, Entry]]:
    places = str(first.folder), str(second.folder)
    remedy = "judge the same samples with both: same prompts, repeats and limit"
    for a, b in pair_up(task, first.entries(task), second.entries(task), places, remedy):
        _check_same(task, a, b, first.folder, second.folder)
        yield a, b


def _check_same(task: str, a: Entry, b: Entry, first: Path, second: Path) -> None:
    if a.response is None or b.response is None:
        return  # no verdict, so nothing to agree on
    given = [
        (r.text, r.image_sha256, r.loglikelihoods, r.is_greedy) for r in (a.response, b.response)
    ]
    if a.prompt != b.prompt or given[0] != given[1]:
        raise ProtocolMismatchError(
            f"sample {a.sample.key} of task {task!r} has another response in {second} than in "
            f"{first}, so their difference isn't the judges' alone",
            f"judge the first run's images again: run --model recorded:{first} --task {task} with "
            "the other judge, or compare models with `cheers-bench compare`",
        )


def _disagreement(entry: Entry, first: Outcome, second: Outcome) -> Disagreement:
    return Disagreement(
        id=entry.sample.id,
        k=entry.sample.k,
        category=entry.sample.category,
        image=entry.response.image_path if entry.response else None,
        first=first.verdict,
        second=second.verdict,
        first_reason=first.reason,
        second_reason=second.reason,
    )


def _side(plan: TaskPlan) -> JudgeSide:
    protocol = plan.protocol
    return JudgeSide(scorer=protocol.scorer, judge=protocol.judge, protocol_hash=protocol.hash)


def _plans(manifest: RunManifest) -> dict[str, TaskPlan]:
    return {plan.task: plan for plan in manifest.tasks if plan.applicable}


def _check_names(what: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            hint = suggest(name, known) or "there are: " + ", ".join(dict.fromkeys(known))
            raise UnknownNameError(f"no {what} {name!r}", hint)
