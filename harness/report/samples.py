"""Samples of a report: a short row each to list and filter, and all that is known to look at."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from harness.artefacts import artefacts_of
from harness.costs import CostBuilder, Costs
from harness.ledger import Entry, Ledger
from harness.records import MetricSpec, Outcome, StoredResponse, TaskPlan, Verdict
from harness.report.pictures import PictureStore
from harness.report.runs import ReportRun, TaskGroup
from harness.report.shards import PackedShards, ShardWriter
from harness.report.shown import ShownPictures

__all__ = ["SNIPPET", "SampleIndex", "write_samples"]

SNIPPET = 300
"""Characters of prompt, answer and reason that are listed and searched."""

TEXT_LIMIT = 4_000_000
"""Characters of one text that the report keeps; what is beyond is in the run folder."""

_ROWS = {"count": 2000, "size": 1_500_000}
_BODIES = {"count": 100, "size": 500_000}
_MISSING = Outcome(verdict=Verdict.MISSING, reason="the model wasn't asked yet")
_NO_RESPONSE = StoredResponse()


class SampleIndex(NamedTuple):
    """Where the samples of one task in one run are, and what is in them."""

    run: int
    """Number of the run."""

    total: int
    """Samples."""

    rows: tuple[int, ...]
    """Position of the first row of each shard of rows."""

    bodies: tuple[int, ...]
    """Position of the first sample of each shard of bodies."""

    verdicts: dict[str, int]
    """Count of each verdict."""

    categories: dict[str, int]
    """Count of each category."""

    costs: Costs
    """What the responses cost."""

    notes: tuple[str, ...]
    """What was left out, and why."""


class _Writer:
    """Writes the samples of one task in one run."""

    def __init__(
        self, run: ReportRun, group: TaskGroup, store: PictureStore, shown: ShownPictures
    ) -> None:
        self.verdicts: Counter[str] = Counter()
        self.categories: Counter[str] = Counter()
        self.costs = CostBuilder()
        self._run = run
        self._task = group.task
        self._primary = group.metadata.primary
        self._store = store
        self._shown = shown

    def row_and_body(self, entry: Entry) -> tuple[list[Any], dict[str, Any]]:
        outcome = entry.outcome or _MISSING
        response = entry.response or _NO_RESPONSE
        self.verdicts[outcome.verdict.value] += 1
        if entry.sample.category is not None:
            self.categories[entry.sample.category] += 1
        self.costs.add(response)
        drawn, shown = self._drawn(response), self._shown.of(entry)
        thumbnail = drawn or next(iter(shown), None)
        row = _row(entry, outcome, thumbnail, self._primary)
        return row, self._body(entry, outcome, drawn, shown)

    def _drawn(self, response: StoredResponse) -> str | None:
        path = response.image_path
        return None if path is None else self._store.copy(self._run, path)

    def _body(
        self, entry: Entry, outcome: Outcome, drawn: str | None, shown: list[str]
    ) -> dict[str, Any]:
        body = {
            "prompt": _cut(entry.prompt),
            "shown": shown,
            "image": drawn,
            "artefacts": self._artefacts(entry),
            **_response(entry.response),
            **_sample(entry),
            "verdict": outcome.verdict.value,
            "reason": _cut(outcome.reason),
            "scores": outcome.scores,
            "details": outcome.details,
        }
        return {key: value for key, value in body.items() if value not in (None, "", [], {}, ())}

    def _artefacts(self, entry: Entry) -> list[list[str | None]]:
        folder = self._run.folder
        return [
            [path.stem, self._store.copy(self._run, path.relative_to(folder).as_posix())]
            for path in artefacts_of(folder, self._task, entry.sample)
        ]


def write_samples(
    ledger: Ledger, run: ReportRun, group: TaskGroup, store: PictureStore, writer: ShardWriter
) -> SampleIndex:
    """Write all samples of one task in one run, streamed.

    Args:
        ledger: The run's open ledger.
        run: The run.
        group: The task.
        store: Where pictures go.
        writer: Where shards go.

    Raises:
        LedgerError: The ledger is damaged.
    """
    shown = ShownPictures(_plan(run, group), run.manifest.seed, store, ledger)
    sample_writer = _Writer(run, group, store, shown)
    prefix = f"{group.number}-{run.number}"
    rows = PackedShards(writer, f"rows-{prefix}", **_ROWS)
    bodies = PackedShards(writer, f"bodies-{prefix}", **_BODIES)
    for entry in ledger.entries(group.task):
        row, body = sample_writer.row_and_body(entry)
        rows.add(row)
        bodies.add(body)
    for shards in (rows, bodies):
        shards.flush()
    return SampleIndex(
        run=run.number,
        total=sample_writer.verdicts.total(),
        rows=tuple(rows.starts),
        bodies=tuple(bodies.starts),
        verdicts={v.value: n for v in Verdict if (n := sample_writer.verdicts[v.value])},
        categories=dict(sorted(sample_writer.categories.items())),
        costs=sample_writer.costs.costs(),
        notes=_notes(shown),
    )


def _plan(run: ReportRun, group: TaskGroup) -> TaskPlan:
    return next(plan for plan in run.manifest.tasks if plan.task == group.task)


def _notes(shown: ShownPictures) -> tuple[str, ...]:
    return (f"pictures shown to the model are left out: {shown.note}",) if shown.note else ()


def _row(entry: Entry, outcome: Outcome, picture: str | None, primary: MetricSpec) -> list[Any]:
    sample = entry.sample
    answer = _answer(entry.response)
    return [
        sample.id,
        sample.k,
        sample.category or "",
        outcome.verdict.value,
        # A sample has no ratio of its own, and half of one would mislead.
        None if primary.over else outcome.scores.get(primary.score),
        picture or "",
        entry.prompt[:SNIPPET],
        answer[:SNIPPET],
        _headline(outcome)[:SNIPPET],
    ]


def _answer(response: StoredResponse | None) -> str:
    if response is None:
        return ""
    if response.loglikelihoods is not None:
        return ", ".join(f"{value:.4g}" for value in response.loglikelihoods)
    return response.text or ""


def _headline(outcome: Outcome) -> str:
    """The reason in a line; of a traceback the last one, which names the error."""
    lines = outcome.reason.strip().splitlines()
    if not lines:
        return ""
    return lines[-1] if outcome.verdict is Verdict.ERRORED else outcome.reason


def _response(response: StoredResponse | None) -> dict[str, Any]:
    if response is None:
        return {}
    usage, timing = response.usage, response.timing
    return {
        "text": None if response.text is None else _cut(response.text),
        "empty": response.text == "" or None,
        "likelihoods": response.loglikelihoods,
        "finish": response.finish_reason.value,
        "usage": {k: v for k in usage.__struct_fields__ if (v := getattr(usage, k)) is not None},
        "timing": {k: v for k in timing.__struct_fields__ if (v := getattr(timing, k)) is not None},
    }


def _sample(entry: Entry) -> dict[str, Any]:
    sample = entry.sample
    cluster = None if sample.cluster_id == sample.id else sample.cluster_id
    return {"target": sample.target, "data": sample.data, "cluster": cluster}


def _cut(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}\n[cut: {len(text):,} characters in the run folder]"
