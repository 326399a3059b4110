"""Metrics of the whole data set: lm-eval's own function over the documents' items, with intervals.

Intervals treat documents as independent. A ratio of sums (perplexities, bits per byte) has the
delta method's: the error of the ratio is that of the mean of its linearised residuals, and for a
perplexity the interval is made on the logarithm and then exponentiated, so it's never negative.
Everything else (BLEU, F1, MCC, Brier score, medians) has the percentile bootstrap over documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.records import MetricSpec, MetricValue
from harness.stats import Estimate, Interval, clip, estimate_mean, student_interval

__all__ = ["corpus_value"]

_RESAMPLES, _SLOW_RESAMPLES = 500, 100
_SLOW = ("bleu", "chrf", "chrf++", "ter")  # as in lm-eval
_TAIL = 0.025

Items = Sequence[Any]


def corpus_value(spec: MetricSpec, aggregation: Any, items: Items) -> MetricValue:
    """Compute one metric.

    Args:
        spec: The metric.
        aggregation: lm-eval's function from items to a number.
        items: One per known document, as `process_results` gave it.
    """
    if not items:
        return MetricValue(name=spec.name, value=None)
    value = float(aggregation(items))
    interval = _interval(spec, aggregation, items) if len(items) > 1 else None
    kept = interval and clip(interval, spec.low, spec.high)
    return MetricValue(
        name=spec.name,
        value=value if math.isfinite(value) else None,
        low=kept.low if kept else None,
        high=kept.high if kept else None,
        n=len(items),
        clusters=len(items),
        method=kept.method if kept else "",
    )


def _interval(spec: MetricSpec, aggregation: Any, items: Items) -> Interval | None:
    from lm_eval.api import metrics

    if aggregation is metrics.perplexity:
        return _transformed(_mean_of(items), lambda x: math.exp(-x), "delta method, log scale")
    if aggregation is metrics.weighted_perplexity:
        return _transformed(_ratio(items), lambda x: math.exp(-x), "delta method, log scale")
    if aggregation is metrics.bits_per_byte:
        return _transformed(_ratio(items), lambda x: -x / math.log(2), "delta method")
    slow = spec.name.partition(",")[0] in _SLOW
    return _bootstrap(aggregation, items, _SLOW_RESAMPLES if slow else _RESAMPLES)


def _mean_of(items: Items) -> Estimate:
    return estimate_mean(np.array(items, dtype=np.float64), np.arange(len(items)))


def _ratio(items: Items) -> Estimate:
    """Sum of the first numbers over the sum of the second, with its linearised error."""
    top, bottom = np.array(items, dtype=np.float64).T
    ratio = top.sum() / bottom.sum()
    residuals = (top - ratio * bottom) / bottom.mean()
    error = estimate_mean(residuals, np.arange(len(items)))
    return error._replace(value=float(ratio))


def _transformed(
    estimate: Estimate, function: Callable[[float], float], method: str
) -> Interval | None:
    """The interval of a decreasing function of an estimate."""
    plain = student_interval(estimate)
    if plain is None:
        return None
    try:
        return Interval(function(plain.high), function(plain.low), method)
    except OverflowError:
        return None


def _bootstrap(aggregation: Any, items: Items, resamples: int) -> Interval | None:
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(items), (resamples, len(items)))
    values = [float(aggregation([items[i] for i in row])) for row in draws]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = np.quantile(finite, [_TAIL, 1 - _TAIL])
    return Interval(float(low), float(high), f"bootstrap over documents, {resamples} resamples")
