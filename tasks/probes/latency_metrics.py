"""The metrics of `probe-latency`: their definitions, and one round's scores."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Aggregation, Capability, Direction, MetricSpec, Response
from tasks.probes.answer_length import LENGTHS, length_score

__all__ = ["MEASURED", "SIZES", "category", "latency_metrics", "round_scores"]

MEASURED = (
    Capability.GENERATE_IMAGE,
    Capability.ANSWER,
    Capability.EDIT_IMAGE,
    Capability.LOGLIKELIHOOD,
    Capability.RECONSTRUCT,
)
"""Capabilities that are timed, in the order of the metrics."""

SIZES = (1, 2, 4, 8, 16, 32)
"""Batch sizes that have metrics."""

_DRAWING = (Capability.GENERATE_IMAGE, Capability.EDIT_IMAGE)
_QUANTILES = (Aggregation.MEDIAN, Aggregation.P90, Aggregation.P95, Aggregation.P99)
_SHORT = {
    Aggregation.MEDIAN: "p50",
    Aggregation.P90: "p90",
    Aggregation.P95: "p95",
    Aggregation.P99: "p99",
}


def category(capability: Capability, size: int) -> str:
    """Category of the measurements of one capability at one batch size.

    Example:
        >>> category(Capability.ANSWER, 4)
        'answer/b4'
    """
    return f"{capability.value}/b{size}"


def round_scores(seconds: float, responses: Sequence[Response]) -> dict[str, float]:
    """What one measured round says.

    Args:
        seconds: Wall time of the batch, end to end.
        responses: Its responses, one or more.

    Returns:
        `seconds` and `throughput` (requests/s); where the responses tell them also
        `completion_tokens` (the batch's median), `ttft` (s),
        `tpot` (s per token behind the first, of the batch's longest answer), `tokens_per_s` and
        `nfe_per_s`, the latter two over the whole batch.

    Example:
        >>> round_scores(2.0, [Response(text="a"), Response(text="b")])
        {'seconds': 2.0, 'throughput': 1.0}
    """
    scores = {"seconds": seconds, "throughput": len(responses) / seconds}
    return (
        scores
        | length_score(responses)
        | _token_scores(seconds, responses)
        | _nfe_scores(seconds, responses)
    )


def _token_scores(seconds: float, responses: Sequence[Response]) -> dict[str, float]:
    firsts = [r.timing.ttft_s for r in responses if r.timing.ttft_s is not None]
    ttft = max(firsts) if len(firsts) == len(responses) else None
    tokens = [r.usage.completion_tokens for r in responses if r.usage.completion_tokens]
    scores = {} if ttft is None else {"ttft": ttft}
    if len(tokens) == len(responses):
        scores["tokens_per_s"] = sum(tokens) / seconds
        if ttft is not None and max(tokens) > 1:
            scores["tpot"] = (seconds - ttft) / (max(tokens) - 1)
    return scores


def _nfe_scores(seconds: float, responses: Sequence[Response]) -> dict[str, float]:
    evaluations = [r.usage.nfe for r in responses if r.usage.nfe]
    complete = len(evaluations) == len(responses)
    return {"nfe_per_s": sum(evaluations) / seconds} if complete else {}


def latency_metrics() -> tuple[MetricSpec, ...]:
    """All metrics; the median seconds per image come first."""
    return tuple(spec for capability in MEASURED for spec in _of_capability(capability))


def _of_capability(capability: Capability) -> list[MetricSpec]:
    specs = _quantiles(capability, "seconds", "Seconds per request at batch size 1.")
    if capability is Capability.ANSWER:
        specs += _quantiles(capability, "ttft", "Time to first token at batch size 1.")
        specs += _quantiles(capability, "tpot", "Time per output token at batch size 1.")
        specs += _by_size(
            capability, LENGTHS, "tokens", "Median length of answers.", Direction.NEITHER
        )
        specs += _by_size(capability, "tokens_per_s", "tokens/s", "Text tokens per second.")
    if capability in _DRAWING:
        specs += _quantiles(
            capability, "ttft", "Time to the end of the first denoising step at batch size 1."
        )
        specs += _by_size(capability, "nfe_per_s", "NFE/s", "Denoiser evaluations per second.")
    specs += _by_size(capability, "throughput", "requests/s", "Requests per second.")
    return specs + _by_size(
        capability, "peak_mib", "MiB", "Most memory held at once.", Direction.LOWER
    )


def _quantiles(capability: Capability, score: str, description: str) -> list[MetricSpec]:
    return [
        MetricSpec(
            name=f"{capability.value}_{score}_{_SHORT[quantile]}",
            score=score,
            aggregation=quantile,
            direction=Direction.LOWER,
            high=None,
            unit="s",
            category=category(capability, 1),
            description=description,
        )
        for quantile in _QUANTILES
    ]


def _by_size(
    capability: Capability,
    score: str,
    unit: str,
    description: str,
    direction: Direction = Direction.HIGHER,
) -> list[MetricSpec]:
    return [
        MetricSpec(
            name=f"{capability.value}_{score}_b{size}",
            score=score,
            aggregation=Aggregation.MEDIAN,
            direction=direction,
            high=None,
            unit=unit,
            category=category(capability, size),
            description=f"{description} Batch size {size}.",
        )
        for size in SIZES
    ]
