"""Metrics: how they're defined, and the value with its interval."""

from __future__ import annotations

from enum import StrEnum

from harness.records.base import Record

__all__ = ["Aggregation", "Direction", "MetricSpec", "MetricValue"]


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Aggregation(StrEnum):
    """How sample scores become one number."""

    MEAN = "mean"
    """Mean over samples."""

    MEAN_OF_CATEGORIES = "mean_of_categories"
    """Unweighted mean of the category means, as GenEval's overall."""

    ALL_IN_CLUSTER = "all_in_cluster"
    """Share of clusters in which every sample scores 1, as circular evaluation."""

    ANY_IN_CLUSTER = "any_in_cluster"
    """Share of clusters in which some sample scores 1, as GenEval's prompt accuracy."""

    MEDIAN = "median"
    """Median over samples, as p50 latency."""

    P90 = "p90"
    """90th percentile over samples."""

    P95 = "p95"
    """95th percentile over samples."""

    P99 = "p99"
    """99th percentile over samples."""

    SUM = "sum"
    """Sum over samples, as OCRBench's total."""

    RATIO = "ratio"
    """Sum of `score` over sum of `over`, as a word error rate: errors over words."""

    EXP_RATIO = "exp_ratio"
    """e to that ratio, as perplexity: negative log-likelihood over tokens."""

    PRECISION = "precision"
    """Share of predicted positives that are: `score` says what was predicted, `over` what is."""

    RECALL = "recall"
    """Share of positives that were predicted; `score` and `over` as for `PRECISION`."""

    F1 = "f1"
    """Harmonic mean of precision and recall; `score` and `over` as for `PRECISION`."""


class MetricSpec(Record, frozen=True, kw_only=True):
    """Definition of one metric of a task."""

    name: str
    """Name in tables, unique in the task."""

    score: str
    """Key in `Outcome.scores` that it aggregates."""

    over: str = ""
    """Second key, for aggregations of two scores: the denominator of a ratio; for precision, recall
    and F1 whether the sample is positive (1 or 0), while `score` is whether it was called so."""

    aggregation: Aggregation = Aggregation.MEAN
    """How sample scores become one number."""

    direction: Direction = Direction.HIGHER
    """Which way is better."""

    low: float | None = 0.0
    """Smallest possible value; `None` is unbounded."""

    high: float | None = 1.0
    """Largest possible value; `None` is unbounded."""

    unit: str = ""
    """Unit as printed: empty for a fraction, `s`, `MiB`, `dB`, `tokens`."""

    category: str | None = None
    """Restricts the metric to one category of samples."""

    description: str = ""
    """One sentence for readers of the table."""

    @property
    def is_timing(self) -> bool:
        """Whether it's seconds, or something per second: comparable on one machine only."""
        return self.unit == "s" or self.unit.endswith("/s")


class MetricValue(Record, frozen=True, kw_only=True):
    """One computed metric."""

    name: str
    """The metric's name."""

    value: float | None
    """Point estimate over the known samples; `None` where there is none."""

    low: float | None = None
    """Lower end of the 95% interval."""

    high: float | None = None
    """Upper end of the 95% interval."""

    n: int = 0
    """Samples (or clusters, for the cluster aggregations) in the estimate."""

    clusters: int = 0
    """Independent clusters among them."""

    method: str = ""
    """How the interval was computed."""

    bound_low: float | None = None
    """Value if every unknown sample had scored the metric's smallest value."""

    bound_high: float | None = None
    """Value if every unknown sample had scored the metric's largest value."""
