"""From a response to a verdict, by the task's own filters and metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

from harness.errors import DataError
from harness.records import (
    Aggregation,
    Direction,
    JsonValue,
    MetricSpec,
    Outcome,
    Response,
    Verdict,
)
from tasks.lm_eval.metrics import metric_key

__all__ = ["Filtered", "judge", "per_document"]


class Filtered(NamedTuple):
    """What one filter pipeline made of a response, and what that is worth."""

    name: str
    """Name of the pipeline; `none` where the task has none."""

    answers: list[Any]
    """What is left of each instance's response."""

    extracted: bool
    """Whether something could be read out of it: no filter fell back."""

    metrics: Mapping[str, Any]
    """lm-eval's values of this document; some can only be aggregated by their function."""


def judge(task: Any, doc: Any, response: Response, specs: Sequence[MetricSpec]) -> Outcome:
    """Judge one response.

    A response is unparsed if the first filter pipeline read nothing out of it. Otherwise the first
    metric that is right or wrong for a document (0 or 1) decides between ok and wrong; where no
    metric is, it's ok: scored. The scores are lm-eval's in any case.

    Args:
        task: lm-eval's task.
        doc: The document.
        response: Text, or log-likelihoods with greediness.
        specs: The task's metrics.
    """
    results = list(_filtered(task, doc, response))
    values = {
        metric_key(metric, part.name): value
        for part in results
        for metric, value in part.metrics.items()
    }
    means = {key for key in values if per_document(task, key)}
    scores = {key: float(values[key]) for key in means if _is_finite(values[key])}
    ratios = [spec for spec in specs if spec.over and spec.name in values]
    for spec in ratios:
        scores |= _ratio_scores(spec, values[spec.name])
    whole = values.keys() - means - {spec.name for spec in ratios}
    verdict, reason = _verdict(results[0], scores, specs)
    return Outcome(
        verdict=verdict,
        reason=reason,
        scores=dict(sorted(scores.items())),
        details={
            "filtered": {part.name: _plain(part.answers) for part in results},
            "items": {key: _plain(values[key]) for key in sorted(whole)},
        },
    )


def per_document(task: Any, key: str) -> bool:
    """Whether a metric is the mean of the documents' values.

    Args:
        task: lm-eval's task.
        key: Metric, or metric and filter.
    """
    from lm_eval.api.metrics import mean, nanmean

    function = task.aggregation().get(key.partition(",")[0], mean)
    return function in (mean, nanmean)


def _ratio_scores(spec: MetricSpec, item: Any) -> dict[str, float]:
    """Information and units of one document, from a log-likelihood, or one with a count."""
    loglikelihood, units = item if isinstance(item, tuple | list) else (item, 1)
    per_bit = math.log(2) if spec.aggregation is Aggregation.RATIO else 1.0
    return {spec.score: -float(loglikelihood) / per_bit, spec.over: float(units)}


def _filtered(task: Any, doc: Any, response: Response) -> Iterator[Filtered]:
    from lm_eval.api.instance import Instance

    instances = [
        Instance(request_type=task.OUTPUT_TYPE, doc=doc, arguments=(), idx=n, resps=[given])
        for n, given in enumerate(_given(task, response))
    ]
    for ensemble in task._filters:  # noqa: SLF001 -- lm-eval has no other way to them
        ensemble.apply(instances)
        answers = [instance.filtered_resps[ensemble.name] for instance in instances]
        yield Filtered(
            ensemble.name,
            answers,
            not _fell_back(ensemble.filters, answers),
            task.process_results(doc, answers),
        )


def _given(task: Any, response: Response) -> list[Any]:
    """The response as lm-eval's models give it: one value per instance."""
    if response.text is not None:
        return [response.text]
    values, greedy = response.loglikelihoods, response.is_greedy
    if values is None or greedy is None:
        raise DataError("the response doesn't say which continuations are greedy")
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return list(values)
    return list(zip(values, greedy, strict=True))


def _fell_back(filters: Sequence[Any], answers: Sequence[Any]) -> bool:
    """Whether a filter found nothing and answered its fallback, such as `[invalid]`."""
    fallbacks = {_lowered(_fallback(make)) for make in filters} - {None}
    return bool(answers) and all(_lowered(answer) in fallbacks for answer in answers)


def _fallback(make: Any) -> Any:
    """What a filter answers when it finds nothing; `None` for filters that don't search."""
    kind = make.func if isinstance(make, partial) else make
    return getattr(make(), "fallback", None) if hasattr(kind, "apply") else None


def _lowered(answer: Any) -> str | None:
    while isinstance(answer, list | tuple) and len(answer) == 1:
        (answer,) = answer
    return answer.strip().lower() if isinstance(answer, str) else None


def _verdict(
    first: Filtered, scores: Mapping[str, float], specs: Sequence[MetricSpec]
) -> tuple[Verdict, str]:
    if not first.extracted:
        return Verdict.UNPARSED, f"filter {first.name!r} found no answer"
    binary = (s for s in specs if not s.over and scores.get(s.score) in (0.0, 1.0))
    decides = next(binary, None)
    if decides is None:
        return Verdict.OK, ""
    right = 1.0 if decides.direction is Direction.HIGHER else 0.0
    if scores[decides.score] == right:
        return Verdict.OK, ""
    return Verdict.WRONG, f"{decides.name} is {scores[decides.score]:g}"


def _is_finite(value: Any) -> bool:
    if hasattr(value, "item"):  # a number of numpy
        value = value.item()
    return isinstance(value, Real) and math.isfinite(value)


def _plain(value: Any) -> JsonValue:
    """Numbers and arrays of numpy as Python's own; what JSON doesn't know as text."""
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, bool | int | str | None) else str(value)
