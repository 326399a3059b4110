"""Metrics that only lm-eval's own function can compute from all documents: BLEU, F1, MCC, Brier.

Their intervals are the percentile bootstrap over documents, taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.records import MetricSpec, MetricValue
from harness.stats import Interval, clip

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
    slow = spec.name.partition(",")[0] in _SLOW
    interval = _bootstrap(aggregation, items, _SLOW_RESAMPLES if slow else _RESAMPLES)
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


def _bootstrap(aggregation: Any, items: Items, resamples: int) -> Interval | None:
    if len(items) < 2:
        return None
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(items), (resamples, len(items)))
    values = [float(aggregation([items[i] for i in row])) for row in draws]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = np.quantile(finite, [_TAIL, 1 - _TAIL])
    return Interval(float(low), float(high), f"bootstrap over documents, {resamples} resamples")
