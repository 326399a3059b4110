"""From runs and baselines to series of metrics, and their first changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np

from harness.aggregate import QUANTILES, sample_weights, value_of
from harness.columns import ColumnBuilder, ScoreColumn, by_cluster
from harness.errors import UnknownNameError
from harness.gate.machines import machine
from harness.history.records import ChangePoint, History, Point, Series
from harness.names import suggest
from harness.ratios import RATIOS
from harness.records import Direction, MetricSpec, TaskPlan
from harness.sources import Source, open_source
from harness.stats import cluster_sums, holm
from harness.stats.changes import Split, independent_change, paired_change
from harness.stats.clustered import Floats

__all__ = ["Order", "measure_history"]

Order: TypeAlias = Literal["time", "given"]
"""Order of runs: by when they were made, or as they're given."""

_ALPHA = 0.05
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
) -> History:
    """Put metrics of runs into rows and look for the first change in each.

    Args:
        paths: Run folders and baselines.
        tasks: Only these tasks; empty is all.
        all_metrics: Whether every metric is shown, and not only the primary ones.
        order: Order of the runs.

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
                    _read(source, plan, entries, plans, all_metrics=all_metrics)
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
        )
        entries.setdefault(key, []).append(_Entry(point, column, tuple(names)))


def _ordered(entries: list[_Entry], order: Order) -> list[_Entry]:
    if order == "given":
        return entries
    return sorted(entries, key=lambda entry: entry.point.created)


class _Found(NamedTuple):
    """A series before the adjustment, with what its search goes back to."""

    series: Series
    shares: Floats | None
    values: Floats
    errors: Floats


def _series(plan: TaskPlan, spec: MetricSpec, entries: list[_Entry]) -> _Found:
    series = Series(
        task=plan.task,
        metric=spec,
        protocol_hash=plan.protocol.hash,
        primary=spec is plan.metadata.metrics[0],
        points=tuple(entry.point for entry in entries),
    )
    values = np.array([_or_nan(entry.point.value.value) for entry in entries])
    errors = np.array([_error(entry) for entry in entries])
    shares = _shares(spec, entries)
    found = _Found(series, shares, values, errors)
    note = _why_not_searched(found)
    if note:
        return found._replace(series=msgspec.structs.replace(series, note=note))
    method = _INDEPENDENT if shares is None else _PAIRED
    split = _search(found, len(entries))
    return found._replace(
        series=msgspec.structs.replace(series, method=method, p_value=split.p_value)
    )


def _why_not_searched(found: _Found) -> str:
    if len(found.values) < 2:
        return "one run"
    if np.isnan(found.values).any():
        return "a run has no value"
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
        place=split.place,
        before=split.before,
        after=split.after,
        p_value=split.p_value,
        worse=worse,
    )


def _search(found: _Found, end: int) -> Split:
    if found.shares is not None:
        return paired_change(found.shares[:end])
    return independent_change(found.values[:end], found.errors[:end])


def _shares(spec: MetricSpec, entries: Sequence[_Entry]) -> Floats | None:
    """What each cluster adds to each run's metric (T, G); `None` where runs can't be paired."""
    if spec.aggregation in QUANTILES or spec.aggregation in RATIOS:
        return None
    if any(entry.ids != entries[0].ids for entry in entries):
        return None
    columns = [by_cluster(entry.column, spec.aggregation) for entry in entries]
    unknown = np.isnan(np.stack([column.values for column in columns]))
    known = np.asarray(~unknown.any(axis=0))
    columns = [column.pick(known) for column in columns]
    weights = sample_weights(spec, columns[0])
    stacked = np.stack([column.values * weights for column in columns], axis=1)
    return cluster_sums(stacked, columns[0].clusters).T


def _error(entry: _Entry) -> float:
    value = entry.point.value
    if value.low is None or value.high is None:
        return float("nan")
    return (value.high - value.low) / (2 * 1.96)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
