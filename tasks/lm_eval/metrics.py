"""lm-eval's metrics as this harness describes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from harness.records import Aggregation, Direction, MetricSpec
from tasks.lm_eval.source import Code

__all__ = [
    "DEFAULT_METRICS",
    "KNOWN",
    "RATIOS",
    "Known",
    "downloaded",
    "metric_key",
    "metric_specs",
]


class Known(NamedTuple):
    """What lm-eval registers about a metric, and its range."""

    higher: bool
    """Whether higher is better."""

    aggregation: str
    """Name of lm-eval's aggregation."""

    low: float | None
    """Smallest possible value."""

    high: float | None
    """Largest possible value."""


KNOWN: Mapping[str, Known] = {
    "acc": Known(True, "mean", 0.0, 1.0),
    "acc_all": Known(True, "mean", 0.0, 1.0),
    "acc_bytes": Known(True, "mean", 0.0, 1.0),
    "acc_mutual_info": Known(True, "mean", 0.0, 1.0),
    "acc_norm": Known(True, "mean", 0.0, 1.0),
    "bits_per_byte": Known(False, "bits_per_byte", 0.0, None),
    "bleu": Known(True, "bleu", 0.0, 100.0),
    "brier_score": Known(False, "brier_score", 0.0, 2.0),
    "byte_perplexity": Known(False, "weighted_perplexity", 1.0, None),
    "bypass": Known(True, "bypass", None, None),
    "chrf": Known(True, "chrf", 0.0, 100.0),
    "chrf++": Known(True, "chrf++", 0.0, 100.0),
    "exact_match": Known(True, "mean", 0.0, 1.0),
    "f1": Known(True, "f1", 0.0, 1.0),
    "likelihood": Known(True, "mean", None, None),
    "mcc": Known(True, "matthews_corrcoef", -1.0, 1.0),
    "perplexity": Known(False, "perplexity", 1.0, None),
    "ter": Known(False, "ter", 0.0, None),
    "word_perplexity": Known(False, "weighted_perplexity", 1.0, None),
}
"""The metrics of lm_eval 0.4.13, by name."""

DEFAULT_METRICS: Mapping[str, tuple[str, ...]] = {
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
}
"""Metrics of a task that names none, by output type; its keys are all output types."""

RATIOS: Mapping[str, Aggregation] = {
    "perplexity": Aggregation.EXP_RATIO,
    "weighted_perplexity": Aggregation.EXP_RATIO,
    "bits_per_byte": Aggregation.RATIO,
}
"""Aggregations of lm-eval that are ratios of sums over the documents: their information (nats, or
bits) over words, bytes or documents. The engine computes them, with intervals and comparisons."""

_UNKNOWN = Known(True, "mean", None, None)


def metric_key(metric: str, filter_name: str) -> str:
    """Name of a metric here: lm-eval's `METRIC,FILTER`, and METRIC alone without a filter.

    Example:
        >>> metric_key("acc", "none"), metric_key("exact_match", "strict-match")
        ('acc', 'exact_match,strict-match')
    """
    return metric if filter_name == "none" else f"{metric},{filter_name}"


def metric_specs(config: Mapping[str, Any]) -> tuple[MetricSpec, ...]:
    """The metrics of a task: each metric under each filter, in lm-eval's order.

    Args:
        config: The task's merged configuration.
    """
    filters = [str(item["name"]) for item in config.get("filter_list") or [{"name": "none"}]]
    return tuple(_spec(entry, name) for name in filters for entry in _entries(config))


def downloaded(config: Mapping[str, Any]) -> list[str]:
    """Metrics that lm-eval would fetch with the package evaluate, which runs their code."""
    if config.get("process_results") is not None:
        return []
    return [
        str(entry["metric"])
        for entry in _entries(config)
        if entry.get("hf_evaluate")
        or not (isinstance(entry["metric"], Code) or entry["metric"] in KNOWN)
    ]


def _entries(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    listed = config.get("metric_list")
    if listed is None:
        output = str(config.get("output_type", "generate_until"))
        listed = [{"metric": name} for name in DEFAULT_METRICS[output]]
    yield from listed


def _spec(entry: Mapping[str, Any], filter_name: str) -> MetricSpec:
    metric = entry["metric"]
    name = metric.name if isinstance(metric, Code) else str(metric)
    known = KNOWN.get(name, _UNKNOWN)
    higher, aggregation = entry.get("higher_is_better", known.higher), entry.get("aggregation")
    # A mean of something else than lm-eval's own metric of that name may have another range.
    usual = aggregation in (None, known.aggregation)
    key, called = metric_key(name, filter_name), _called(aggregation or known.aggregation)
    is_ratio = called in RATIOS
    return MetricSpec(
        name=key,
        score=f"{key}.information" if is_ratio else key,
        over=f"{key}.units" if is_ratio else "",
        aggregation=RATIOS.get(called, Aggregation.MEAN),
        direction=Direction.HIGHER if higher else Direction.LOWER,
        low=known.low if usual else None,
        high=known.high if usual else None,
        description=f"lm-eval's {name}, aggregated by {called}.",
    )


def _called(aggregation: Any) -> str:
    return aggregation.name if isinstance(aggregation, Code) else str(aggregation)
