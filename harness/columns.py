"""Scores of one metric as arrays, gathered from a stream of samples."""

from __future__ import annotations

import hashlib
import math
from array import array
from typing import NamedTuple

import numpy as np

from harness.records import Aggregation, MetricSpec, ScoredSample
from harness.stats.clustered import Floats, Ints

__all__ = ["ColumnBuilder", "ScoreColumn", "by_cluster"]

_BY_CLUSTER = (Aggregation.ALL_IN_CLUSTER, Aggregation.ANY_IN_CLUSTER)


class ScoreColumn(NamedTuple):
    """Scores of one metric as arrays; unknown samples are NaN."""

    values: Floats
    """Scores (n,)."""

    clusters: Ints
    """Number of each sample's cluster (n,)."""

    strata: Ints
    """Number of each sample's category (n,)."""

    def known(self) -> ScoreColumn:
        """The samples in the point estimate."""
        return self.pick(~np.isnan(self.values))

    def pick(self, mask: np.ndarray) -> ScoreColumn:
        """The samples where `mask` holds."""
        return ScoreColumn(self.values[mask], self.clusters[mask], self.strata[mask])

    def filled(self, value: float) -> ScoreColumn:
        """All samples, the unknown ones scored `value`."""
        return self._replace(values=np.where(np.isnan(self.values), value, self.values))


class ColumnBuilder:
    """Gathers the column of one metric from a stream of samples, 24 bytes for each.

    Args:
        spec: Definition of the metric.
    """

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self._values = array("d")
        self._clusters = array("q")
        self._strata = array("q")

    def takes(self, row: ScoredSample) -> bool:
        """Whether the metric is about this sample; an unknown score of its category counts."""
        spec, outcome = self.spec, row.outcome
        if spec.category is not None and row.sample.category != spec.category:
            return False
        return spec.score in outcome.scores or not outcome.verdict.is_known

    def add(self, row: ScoredSample) -> None:
        """Take a sample, if the metric is about it."""
        if not self.takes(row):
            return
        self._values.append(row.outcome.scores.get(self.spec.score, math.nan))
        self._clusters.append(_name_hash(row.sample.cluster_id))
        self._strata.append(_name_hash(row.sample.category or ""))

    def column(self) -> ScoreColumn:
        """What was gathered."""
        return ScoreColumn(
            np.array(self._values, dtype=np.float64),
            np.array(self._clusters, dtype=np.int64),
            np.array(self._strata, dtype=np.int64),
        )


def _name_hash(name: str) -> int:
    # 64 bits stand for a name, so a million names needn't be kept; unlike `hash`, the same in
    # every process, so sums are made in the same order and rescoring repeats every digit.
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def by_cluster(column: ScoreColumn, aggregation: Aggregation) -> ScoreColumn:
    """One row per cluster for the aggregations over clusters; NaN if any sample is unknown."""
    if aggregation not in _BY_CLUSTER:
        return column
    reduce = np.minimum if aggregation is Aggregation.ALL_IN_CLUSTER else np.maximum
    names, first, cluster = np.unique(column.clusters, return_index=True, return_inverse=True)
    values = np.full(len(names), np.inf if reduce is np.minimum else -np.inf)
    with np.errstate(invalid="ignore"):  # minimum and maximum hand on NaN, as they should
        reduce.at(values, cluster, column.values)
    return ScoreColumn(values, names, column.strata[first])
