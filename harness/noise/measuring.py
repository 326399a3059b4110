"""From runs that differ in their seeds to the spread between them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2
from scipy.stats import f as fisher

from harness.aggregate import point_estimate, sample_weights
from harness.columns import ColumnBuilder, ScoreColumn, by_cluster
from harness.errors import LedgerError, ProtocolMismatchError, SpecError
from harness.noise.records import Components, MetricNoise, NoiseReport, family
from harness.records import Aggregation, MetricSpec, RunStatus, TaskPlan
from harness.sources import Source, open_source
from harness.stats import cluster_sums, student_quantile
from harness.stats.clustered import Floats

__all__ = ["measure_noise", "spread", "variance_components"]

_LEVEL = 0.95
_MEANS = (
    Aggregation.MEAN,
    Aggregation.MEAN_OF_CATEGORIES,
    Aggregation.ALL_IN_CLUSTER,
    Aggregation.ANY_IN_CLUSTER,
)


class _Run(NamedTuple):
    seed: int
    plan: TaskPlan
    columns: dict[str, ScoreColumn]


def measure_noise(folders: Sequence[Path], task: str, out: Path) -> NoiseReport:
    """Measure how much a task's metrics differ between runs of other seeds.

    Args:
        folders: Runs or baselines, one per seed; at least two.
        task: Registry name of the task.
        out: Folder of the noise file; runs are named relative to it.

    Raises:
        SpecError: There's one run.
        ProtocolMismatchError: Protocols differ in more than the seed, or seeds are equal.
        LedgerError: A run isn't complete, or has samples without a score.
    """
    if len(folders) < 2:
        raise SpecError("noise between seeds needs two runs at least", "give --seeds 5")
    runs, models = [], []
    for folder in folders:
        with open_source(folder) as source:
            runs.append(_read(source, task))
            models.append(source.manifest)
    _check_alike(folders, runs)
    metrics, notes = [], {}
    for spec in runs[0].plan.metadata.metrics:
        found = _metric(spec, [run.columns[spec.name] for run in runs])
        if isinstance(found, str):
            notes[spec.name] = found
        else:
            metrics.append(found)
    first = runs[0].columns[runs[0].plan.metadata.primary.name]
    return NoiseReport(
        task=task,
        family=family(runs[0].plan.protocol),
        model=models[0].label or models[0].model.name,
        weights_sha256=models[0].fingerprint.weights_sha256,
        seeds=tuple(run.seed for run in runs),
        runs=tuple(os.path.relpath(folder, out) for folder in folders),
        clusters=len(np.unique(first.clusters)),
        metrics=tuple(metrics),
        notes=notes,
    )


def spread(name: str, values: Sequence[float], components: Components | None) -> MetricNoise:
    """Standard deviation between seeds with its chi-square interval, range, and floor.

    Example:
        >>> noise = spread("accuracy", [0.50, 0.52, 0.48, 0.51, 0.49], None)
        >>> round(noise.sd, 4), round(noise.floor, 3)
        (0.0158, 0.062)
    """
    degrees = len(values) - 1
    sd = float(np.std(values, ddof=1))
    tail = (1 - _LEVEL) / 2
    return MetricNoise(
        name=name,
        values=tuple(map(float, values)),
        mean=float(np.mean(values)),
        sd=sd,
        sd_low=sd * float(np.sqrt(degrees / chi2.ppf(1 - tail, degrees))),
        sd_high=sd * float(np.sqrt(degrees / chi2.ppf(tail, degrees))),
        low=float(min(values)),
        high=float(max(values)),
        floor=student_quantile(_LEVEL, degrees) * float(np.sqrt(2)) * sd,
        components=components,
    )


def variance_components(scores: Floats, weights: Floats | None = None) -> Components | None:
    """Variance between clusters and between seeds, by one-way analysis of variance.

    The intraclass correlation is ICC(1) with its F interval (Shrout and Fleiss 1979).

    Args:
        scores: Mean score of each cluster under each seed, shape (G, k), G and k at least 2.
        weights: Each cluster's share in the metric (G,), adding up to 1; `None` is equal ones.

    Returns:
        The components; `None` where all scores are equal, because nothing varies.
    """
    groups, seeds = scores.shape
    weights = np.full(groups, 1 / groups) if weights is None else weights
    means = scores.mean(axis=1)
    between = seeds * float(np.var(means, ddof=1))
    within = float(np.sum((scores - means[:, None]) ** 2)) / (groups * (seeds - 1))
    if not between + within > 0:
        return None
    low, high = _icc_interval(between, within, groups, seeds)
    return Components(
        between=max((between - within) / seeds, 0.0),
        within=within,
        icc=(between - within) / (between + (seeds - 1) * within),
        icc_low=low,
        icc_high=high,
        expected_sd=float(np.sqrt(within * np.sum(weights**2))),
    )


def _icc_interval(between: float, within: float, groups: int, seeds: int) -> tuple[float, float]:
    if not within > 0:
        return 1.0, 1.0
    degrees, upper = (groups - 1, groups * (seeds - 1)), 1 - (1 - _LEVEL) / 2
    quotient = between / within
    low = quotient / float(fisher.ppf(upper, *degrees))
    high = quotient * float(fisher.ppf(upper, *degrees[::-1]))
    return (low - 1) / (low + seeds - 1), (high - 1) / (high + seeds - 1)


def _read(source: Source, task: str) -> _Run:
    plan = source.plan(task)
    if plan is None or not plan.applicable:
        raise LedgerError(f"{source.where} has no scores of task {task!r}", "run the task there")
    if source.manifest.status is not RunStatus.COMPLETE:
        raise LedgerError(
            f"the run in {source.where} is {source.manifest.status.value}",
            "repeat the command; finished samples aren't redone",
        )
    builders = [ColumnBuilder(spec) for spec in plan.metadata.metrics]
    for row in source.scored(task):
        if not row.outcome.verdict.is_known:
            raise LedgerError(
                f"{source.where}: sample {row.sample.key} of {task!r} has no score",
                "repeat the command with --retry-errors",
            )
        for builder in builders:
            builder.add(row)
    columns = {builder.spec.name: builder.column() for builder in builders}
    return _Run(source.manifest.seed, plan, columns)


def _check_alike(folders: Sequence[Path], runs: Sequence[_Run]) -> None:
    from harness.run.folder import differences

    for folder, run in zip(folders[1:], runs[1:], strict=True):
        if family(run.plan.protocol) != family(runs[0].plan.protocol):
            lines = differences(runs[0].plan.protocol, run.plan.protocol)
            raise ProtocolMismatchError(
                f"{folders[0]} and {folder} differ in more than their seeds:\n" + "\n".join(lines),
                "repeat one task with one set of options",
            )
    seeds = [run.seed for run in runs]
    if len(set(seeds)) != len(seeds):
        raise ProtocolMismatchError(
            f"seeds {', '.join(map(str, seeds))} aren't all different", "give a run per seed"
        )


def _metric(spec: MetricSpec, columns: Sequence[ScoreColumn]) -> MetricNoise | str:
    """The metric's noise, or why there's none."""
    wholes = [by_cluster(column, spec.aggregation) for column in columns]
    if any(len(whole.values) != len(wholes[0].values) for whole in wholes):
        return "the runs score other samples"
    if not len(wholes[0].values):
        return "no sample has this score"
    values = [point_estimate(spec, whole) for whole in wholes]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "it has no value in one of the runs"
    return spread(spec.name, known, _components(spec, wholes))


def _components(spec: MetricSpec, columns: Sequence[ScoreColumn]) -> Components | None:
    if spec.aggregation not in _MEANS:
        return None
    weights = sample_weights(spec, columns[0])
    stacked = np.stack([weights, *(column.values * weights for column in columns)], axis=1)
    shares, *sums = cluster_sums(stacked, columns[0].clusters).T
    if len(shares) < 2:
        return None
    return variance_components(np.stack(sums, axis=1) / shares[:, None], shares)
