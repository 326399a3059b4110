"""Where a sequential gate could have stopped: existing samples in an order drawn beforehand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.aggregate import QUANTILES, sample_weights
from harness.gate.evidence import Columns
from harness.gate.records import GateVerdict, Saving
from harness.ratios import RATIOS
from harness.records import Aggregation, Direction, MetricSpec
from harness.seeds import stream_seed
from harness.stats import SequentialGate, Stop
from harness.stats.clustered import Floats

__all__ = ["look", "why_not_sequential"]

_VERDICTS = {
    Stop.REGRESSED: GateVerdict.REGRESSED,
    Stop.EQUIVALENT: GateVerdict.EQUIVALENT,
    Stop.UNDECIDED: GateVerdict.UNDECIDED,
}


class _Differences(NamedTuple):
    values: Floats
    """One per cluster (G,), positive is better; their mean is the metric's difference."""

    span: float
    """Largest absolute value that one can take."""


def why_not_sequential(spec: MetricSpec) -> str:
    """Why a metric can't be judged one cluster at a time; empty if it can."""
    kind = spec.aggregation
    if kind in QUANTILES or kind in RATIOS or kind is Aggregation.SUM:
        return f"no sequential form of {kind.value}"
    if spec.low is None or spec.high is None:
        return "no sequential form of an unbounded score"
    return ""


def look(
    spec: MetricSpec, columns: Columns, *, margin: float, alpha: float, seed: int
) -> Saving | None:
    """Let `SequentialGate` look after each cluster.

    Args:
        spec: A bounded mean.
        columns: Samples with a score in both runs.
        margin: Largest drop that is tolerated.
        alpha: Chance of a wrong verdict.
        seed: Seed of the order; draw it before looking.

    Returns:
        Where it would have stopped; `None` where the margin is as large as the range.
    """
    differences = _by_cluster(spec, columns)
    if not margin < differences.span:
        return None
    rng = np.random.default_rng(stream_seed(seed, f"gate order of {spec.name}"))
    gate = SequentialGate(margin, span=differences.span, alpha=alpha)
    seen = gate.look()
    for value in rng.permutation(differences.values):
        seen = gate.add(float(np.clip(value, -differences.span, differences.span)))
        if seen.verdict is not Stop.UNDECIDED:
            break
    clusters = len(differences.values)
    return Saving(
        verdict=_VERDICTS[seen.verdict],
        looked_at=seen.n,
        clusters=clusters,
        saved=1 - seen.n / clusters,
    )


def _by_cluster(spec: MetricSpec, columns: Columns) -> _Differences:
    """Each cluster's share of the difference, times the number of clusters."""
    first, second = columns
    weights = sample_weights(spec, first)
    names, cluster = np.unique(first.clusters, return_inverse=True)
    worse = -1.0 if spec.direction is Direction.LOWER else 1.0
    moved = np.bincount(cluster, weights=worse * weights * (second.values - first.values))
    span = float(np.bincount(cluster, weights=weights).max()) * len(names)
    return _Differences(np.asarray(moved * len(names), dtype=np.float64), span * _range(spec))


def _range(spec: MetricSpec) -> float:
    if spec.low is None or spec.high is None:
        raise ValueError(f"metric {spec.name!r} is unbounded")
    return spec.high - spec.low
