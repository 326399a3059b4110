"""From runs and baselines to series of metrics, and their first changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
from scipy.stats import norm

from harness.aggregate import QUANTILES, sample_weights, value_of
from harness.columns import ColumnBuilder, ScoreColumn, by_cluster
from harness.errors import UnknownNameError
from harness.history.records import ChangePoint, History, Point, Series
from harness.machines import machine
from harness.names import suggest
from harness.ratios import RATIOS
from harness.records import Direction, MetricSpec, MetricValue, RunStatus, TaskPlan
from harness.sources import Source, open_source
from harness.stats import LEVEL, cluster_sums, holm, student_quantile
from harness.stats.changes import Split, independent_change, paired_change
from harness.stats.clustered import Floats

__all__ = ["Order", "measure_history", "standard_error"]

Order: TypeAlias = Literal["time", "given"]
"""Order of runs: by when they were made, or as they're given."""

_ALPHA = 0.05
_UNKNOWN = 0.05
_PAIRED = "largest paired CUSUM, clusters swapped"
_INDEPENDENT = "largest likelihood ratio, independent normal results"


class _Entry(NamedTuple):
    """One metric of one run."""

    point: Point
    column: ScoreColumn
    ids: tuple[str, ...]


class _Key(NamedTuple):
    task: str
    metric: str
    protocol: str
    machine: str


def measure_history(
    paths: Sequence[str | Path],
    *,
    tasks: Sequence[str] = (),
    all_metrics: bool = False,
    order: Order = "time",
    unknown: float = _UNKNOWN,
) -> History:
    """Put metrics of runs into rows and look for the first change in each.

    Args:
        paths: Run folders and baselines.
        tasks: Only these tasks; empty is all.
        all_metrics: Whether every metric is shown, and not only the primary ones.
        order: Order of the runs.
        unknown: Largest share of samples without a score in a run that is searched for changes.
            Runs are compared over the samples that all of them know, so a run of few blinds all.

    Raises:
        LedgerError: A path is neither a run nor a baseline, or is damaged.
        UnknownNameError: No run has one of `tasks`.
    """
    entries: dict[_Key, list[_Entry]] = {}
    plans: dict[_Key, tuple[TaskPlan, MetricSpec]] = {}
    known: dict[str, None] = {}
    for path in paths:
        with open_source(path) as source:
            for plan in source.manifest.tasks:
                known[plan.task] = None
                if plan.applicable and (not tasks or plan.task in tasks):
                    _read(source, plan, entries, plans, all_metrics=all_metrics, unknown=unknown)
    for name in tasks:
        if name not in known:
            hint = suggest(name, known) or "they have: " + ", ".join(known)
            raise UnknownNameError(f"no run has a task {name!r}", hint)
    series = [_series(*plans[key], _ordered(found, order)) for key, found in entries.items()]
    return History(series=tuple(_with_changes(series)), alpha=_ALPHA)


def _read(
    source: Source,
    plan: TaskPlan,
    entries: dict[_Key, list[_Entry]],
    plans: dict[_Key, tuple[TaskPlan, MetricSpec]],
    *,
    all_metrics: bool,
    unknown: float,
) -> None:
    specs = plan.metadata.metrics if all_metrics else plan.metadata.metrics[:1]
    builders = [ColumnBuilder(spec) for spec in specs]
    ids: list[list[str]] = [[] for _ in specs]
    for row in source.scored(plan.task):
        for builder, names in zip(builders, ids, strict=True):
            if builder.takes(row):
                builder.add(row)
                names.append(row.sample.key)
    for spec, builder, names in zip(specs, builders, ids, strict=True):
        timed = machine(source.manifest) if spec.is_timing else ""
        key = _Key(plan.task, spec.name, plan.protocol.hash, timed)
        column = builder.column()
        plans.setdefault(key, (plan, spec))
        point = Point(
            label=source.label,
            where=source.where,
            created=source.manifest.created,
            commit=source.manifest.environment.commit,
            value=value_of(spec, column),
            incomplete=_why_incomplete(source, spec, column, unknown),
        )
        entries.setdefault(key, []).append(_Entry(point, column, tuple(names)))


def _ordered(entries: list[_Entry], order: Order) -> list[_Entry]:
    if order == "given":
        return entries
    return sorted(entries, key=lambda entry: entry.point.created)


def _why_incomplete(source: Source, spec: MetricSpec, column: ScoreColumn, most: float) -> str:
    """Why a run isn't searched for changes; empty if it is."""
    status = source.manifest.status
    if status is not RunStatus.COMPLETE:
        return f"the run is {status.value}"
    values = by_cluster(column, spec.aggregation).values
    unknown = int(np.isnan(values).sum())
    if unknown > most * len(values):
        return f"{unknown} of {len(values)} have no score"
    return ""


class _Found(NamedTuple):
    """A series before the adjustment, with what its search goes back to."""

    series: Series
    places: list[int]
    """Points that are searched."""

    shares: Floats | None
    values: Floats
    errors: Floats


class _Shares(NamedTuple):
    """What each cluster adds to each run's metric, over the samples that all runs know."""

    sums: Floats
    """Shape (T, G)."""

    known: int
    """Samples."""

    samples: int
    """Samples there are."""


def _series(plan: TaskPlan, spec: MetricSpec, entries: list[_Entry]) -> _Found:
    series = Series(
        task=plan.task,
        metric=spec,
        protocol_hash=plan.protocol.hash,
        primary=spec is plan.metadata.metrics[0],
        points=tuple(entry.point for entry in entries),
    )
    places = [i for i, entry in enumerate(entries) if not entry.point.incomplete]
    searched = [entries[i] for i in places]
    values = np.array([_or_nan(entry.point.value.value) for entry in searched])
    errors = np.array([standard_error(spec, entry.point.value) for entry in searched])
    shares = _shares(spec, searched)
    found = _Found(series, places, shares and shares.sums, values, errors)
    note = _why_not_searched(found)
    if note:
        return found._replace(series=msgspec.structs.replace(series, note=note))
    return found._replace(series=_searched(found, shares))


def _searched(found: _Found, shares: _Shares | None) -> Series:
    """The series with the p-value of its clearest change, and what was searched."""
    return msgspec.structs.replace(
        found.series,
        method=_INDEPENDENT if shares is None else _PAIRED,
        p_value=_search(found, len(found.places)).p_value,
        known=None if shares is None else shares.known,
        samples=None if shares is None else shares.samples,
    )


def _why_not_searched(found: _Found) -> str:
    count = len(found.values)
    if count < 2:
        alone = "one run" if count else "no run"
        return alone if count == len(found.series.points) else f"{alone} is complete"
    if np.isnan(found.values).any():
        return "a run has no value"
    if found.shares is not None and not found.shares.size:
        return "no sample has a score in all runs"
    if found.shares is None and not (found.errors > 0).all():
        return "a run has no standard error"
    return ""


def _with_changes(found: Sequence[_Found]) -> list[Series]:
    """Adjust for the number of series, then find the first change of those that changed."""
    searched = [i for i, one in enumerate(found) if one.series.p_value is not None]
    adjusted = holm([found[i].series.p_value or 0.0 for i in searched])
    result = [one.series for one in found]
    for index, p_value in zip(searched, adjusted, strict=True):
        change = _first_change(found[index]) if p_value < _ALPHA else None
        result[index] = msgspec.structs.replace(result[index], p_adjusted=p_value, change=change)
    return result


def _first_change(found: _Found) -> ChangePoint:
    """The clearest change, or an earlier one that is clear in the points before it."""
    split = _search(found, len(found.values))
    while split.place > 1:
        earlier = _search(found, split.place)
        if earlier.p_value >= _ALPHA:
            break
        split = earlier
    direction = found.series.metric.direction
    fell = split.after < split.before
    worse = None if direction is Direction.NEITHER else fell is (direction is Direction.HIGHER)
    return ChangePoint(
        place=found.places[split.place],
        before=split.before,
        after=split.after,
        p_value=split.p_value,
        worse=worse,
    )


def _search(found: _Found, end: int) -> Split:
    if found.shares is not None:
        return paired_change(found.shares[:end])
    return independent_change(found.values[:end], found.errors[:end])


def _shares(spec: MetricSpec, entries: Sequence[_Entry]) -> _Shares | None:
    """What the search compares; `None` where runs can't be paired."""
    if not entries or spec.aggregation in QUANTILES or spec.aggregation in RATIOS:
        return None
    if any(entry.ids != entries[0].ids for entry in entries):
        return None
    columns = [by_cluster(entry.column, spec.aggregation) for entry in entries]
    unknown = np.isnan(np.stack([column.values for column in columns]))
    known = np.asarray(~unknown.any(axis=0))
    if not known.any():
        return _Shares(np.zeros((len(entries), 0)), 0, len(known))
    columns = [column.pick(known) for column in columns]
    weights = sample_weights(spec, columns[0])
    stacked = np.stack([column.values * weights for column in columns], axis=1)
    sums = cluster_sums(stacked, columns[0].clusters).T
    return _Shares(sums, int(known.sum()), len(known))


def standard_error(spec: MetricSpec, value: MetricValue) -> float:
    """Standard error behind a 95% interval, by the quantile that made it; NaN where there's none.

    Means and ratios have Student's t on their clusters, quantiles the normal limit of binomial
    ranks.
    """
    if value.low is None or value.high is None:
        return float("nan")
    by_rank, degrees = spec.aggregation in QUANTILES, max(value.clusters - 1, 1)
    reach = float(norm.ppf(0.5 + LEVEL / 2)) if by_rank else student_quantile(LEVEL, degrees)
    return (value.high - value.low) / (2 * reach)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
