"""Scores of one metric as arrays, gathered from a stream of samples."""

from __future__ import annotations

import hashlib
import math
from array import array
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from harness.errors import DataError, SpecError
from harness.ratios import RATIOS
from harness.records import Aggregation, MetricSpec, ScoredSample
from harness.stats import Parts
from harness.stats.clustered import Floats, Ints

__all__ = ["ColumnBuilder", "ScoreColumn", "by_cluster"]

_BY_CLUSTER = (Aggregation.ALL_IN_CLUSTER, Aggregation.ANY_IN_CLUSTER)


class ScoreColumn(NamedTuple):
    """Scores of one metric as arrays; unknown samples are NaN."""

    values: Floats
    """Scores (n,); numerators where the metric is a ratio."""

    clusters: Ints
    """Number of each sample's cluster (n,)."""

    strata: Ints
    """Number of each sample's category (n,)."""

    over: Floats | None = None
    """Denominators (n,) where the metric is a ratio."""

    def known(self) -> ScoreColumn:
        """The samples in the point estimate."""
        known = ~np.isnan(self.values)
        return self if known.all() else self.pick(known)

    def pick(self, mask: np.ndarray) -> ScoreColumn:
        """The samples where `mask` holds."""
        over = None if self.over is None else self.over[mask]
        return ScoreColumn(self.values[mask], self.clusters[mask], self.strata[mask], over)

    def filled(self, value: float, over: float = 1.0) -> ScoreColumn:
        """All samples, the unknown ones scored `value`, with denominator `over` in a ratio."""
        unknown = np.isnan(self.values)
        filled = self._replace(values=np.where(unknown, value, self.values))
        if self.over is None:
            return filled
        return filled._replace(over=np.where(unknown, over, self.over))

    def parts(self, spec: MetricSpec) -> Parts:
        """What each sample adds to a metric that is a ratio."""
        if self.over is None:
            raise TypeError(f"metric {spec.name!r} is no ratio")
        return Parts(self.values, self.over, RATIOS[spec.aggregation].exponential)


class ColumnBuilder:
    """Gathers the column of one metric from a stream of samples, 24 bytes for each (32 of a ratio).

    Args:
        spec: Definition of the metric.

    Raises:
        SpecError: The metric aggregates two scores and names one.
    """

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self._rule = RATIOS.get(spec.aggregation)
        if self._rule is not None and not spec.over:
            raise SpecError(
                f"metric {spec.name!r}: {spec.aggregation.value} aggregates two scores",
                "name the second one as `over` of its MetricSpec",
            )
        self._values = array("d")
        self._over = array("d")
        self._clusters = array("q")
        self._strata = array("q")

    def takes(self, row: ScoredSample) -> bool:
        """Whether the metric is about this sample; an unknown score of its category counts."""
        spec, outcome = self.spec, row.outcome
        if spec.category is not None and row.sample.category != spec.category:
            return False
        has_scores = spec.score in outcome.scores and (not spec.over or spec.over in outcome.scores)
        return has_scores or not outcome.verdict.is_known

    def add(self, row: ScoredSample) -> None:
        """Take a sample, if the metric is about it."""
        if not self.takes(row):
            return
        self._add_scores(row)
        self._clusters.append(_name_hash(row.sample.cluster_id))
        self._strata.append(_name_hash(row.sample.category or ""))

    def column(self) -> ScoreColumn:
        """What was gathered; it isn't copied, so nothing can be added while the column lives."""
        return ScoreColumn(
            np.asarray(self._values),
            np.asarray(self._clusters, dtype=np.int64),
            np.asarray(self._strata, dtype=np.int64),
            np.asarray(self._over) if self._rule else None,
        )

    def _add_scores(self, row: ScoredSample) -> None:
        scores = row.outcome.scores
        score = scores.get(self.spec.score, math.nan)
        if self._rule is None:
            self._values.append(score)
            return
        over = scores.get(self.spec.over, math.nan)
        if not math.isnan(score + over):
            self._check(row, score, over)
        part, whole = self._rule.parts(score, over)
        # An unknown sample is unknown in both, whatever it may have been given.
        self._values.append(part if not math.isnan(whole) else math.nan)
        self._over.append(whole if not math.isnan(part) else math.nan)

    def _check(self, row: ScoredSample, score: float, over: float) -> None:
        binary = self._rule is not None and self._rule.binary
        if (binary and not {score, over} <= {0.0, 1.0}) or over < 0:
            raise DataError(
                f"sample {row.sample.key}: {self.spec.score} = {score} and {self.spec.over} = "
                f"{over} don't fit metric {self.spec.name!r} ({self.spec.aggregation.value})",
                "score both as 0 or 1" if binary else "give a denominator that isn't negative",
            )


@lru_cache(4096)  # a sample's names are asked for by each metric, a category's by all its samples
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
