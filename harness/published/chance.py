"""How far apart one model's number may lie when it's measured twice: what isn't a difference.

The interval of a single number says how it would vary with other questions. Of two measurements
with the same questions that part cancels; what is left is what another draw, another kernel and
rounding can change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from harness.aggregate import QUANTILES, sample_weights
from harness.columns import ColumnBuilder, ScoreColumn, by_cluster
from harness.ratios import RATIOS
from harness.records import MetricSpec, MetricValue, ScoredSample
from harness.stats import student_quantile
from harness.stats.clustered import Floats, Ints

__all__ = ["FLIPS", "Chance", "chance_of_draws", "chance_of_flips", "columns_of", "draw_error"]

FLIPS = 0.02
"""Share of greedy answers that other kernels or another precision flip, unless told otherwise."""

_NORMAL = 1.96
_LEVEL = 0.95


class Chance(NamedTuple):
    """How far chance alone may move a difference, in the metric's unit."""

    below: float
    """Half-width below, at 95%."""

    above: float
    """Half-width above."""

    why: str
    """What it's made of, for readers."""


def draw_error(values: Floats, weights: Floats, prompts: Ints) -> tuple[float, int] | None:
    """Standard error of a weighted sum of scores when every prompt is drawn for again.

    The prompts stay as they are, so only the spread within a prompt counts: the variance is the
    sum over prompts of m / (m - 1) * sum of w_i^2 (x_i - mean of the prompt)^2, which is unbiased
    where the m draws of a prompt weigh the same.

    Args:
        values: Scores, shape (n,).
        weights: What each weighs in the sum, shape (n,).
        prompts: Number of each sample's prompt, shape (n,).

    Returns:
        The error and its degrees of freedom, n minus the prompts; `None` where a prompt was drawn
        for once, which tells nothing about its spread.

    Example:
        >>> import numpy as np
        >>> quarter, prompts = np.full(4, 0.25), np.array([0, 0, 1, 1])
        >>> draw_error(np.array([1.0, 0.0, 1.0, 1.0]), quarter, prompts)
        (0.25, 2)
    """
    _, prompt, draws = np.unique(prompts, return_inverse=True, return_counts=True)
    if not len(draws) or draws.min() < 2:
        return None
    means = np.bincount(prompt, weights=values) / draws
    squares = np.bincount(prompt, weights=(weights * (values - means[prompt])) ** 2)
    variance = float(np.sum(squares * draws / (draws - 1)))
    return math.sqrt(variance), len(values) - len(draws)


def chance_of_draws(
    spec: MetricSpec, column: ScoreColumn, value: MetricValue, rounding: float
) -> Chance | None:
    """Chance between two sets of pictures that one model drew of the same prompts.

    Args:
        spec: The metric.
        column: Our scores; a cluster is a prompt.
        value: Our number with its interval.
        rounding: Most that rounding moved the published number.

    Returns:
        Student's quantile (1.96 of many draws) times sqrt(2) times `draw_error`, and the rounding,
        as independent errors: the root of the sum of their squares. Where a prompt was drawn for
        once, or the metric is no weighted sum, the whole error of ours stands for that of a draw,
        and the text says so; `None` if there is none.
    """
    error = None
    if _linear(spec):
        known = by_cluster(column, spec.aggregation).known()
        error = draw_error(known.values, sample_weights(spec, known), known.clusters)
    if error is not None:
        half = math.hypot(student_quantile(_LEVEL, error[1]) * math.sqrt(2) * error[0], rounding)
        why = "chance is two draws of the same prompts, by the spread within prompts, and rounding"
        return Chance(half, half, why)
    if value.value is None or value.low is None or value.high is None:
        return None
    # The lower end is reached if ours is too low or the published one too high.
    half = math.hypot(value.value - value.low, value.high - value.value, rounding)
    why = (
        "chance is two whole sampling errors and rounding, so it's too wide: no spread within "
        "prompts is known"
    )
    return Chance(half, half, why)


def chance_of_flips(
    spec: MetricSpec, column: ScoreColumn, value: MetricValue, rounding: float, flips: float = FLIPS
) -> Chance | None:
    """Chance between two sets of greedy answers that one model gave to the same questions.

    A share `flips` of the answers comes out otherwise, either way alike: the metric, a sum of
    weighted scores, then moves with standard error range * sqrt(flips * sum of w_i^2), which is
    range * sqrt(flips / n) for a mean, and n times that for a sum.

    Args:
        spec: The metric.
        column: Our scores; what the metric counts once (of circular evaluation a question with
            all its rotations) is what flips.
        value: Our number with its interval.
        rounding: Most that rounding moved the published number.
        flips: Share of answers that flip, 0 to 1.

    Returns:
        1.96 of those errors plus the rounding. Of a metric that is no weighted sum the sampling
        interval stands in, and the text says so; `None` if there is none.
    """
    if _linear(spec):
        known = by_cluster(column, spec.aggregation).known()
        weights = sample_weights(spec, known)
        error = _range(spec, known, weights) * math.sqrt(flips * float(np.sum(weights**2)))
        half = _NORMAL * error + rounding
        return Chance(
            half, half, f"chance is {flips:.3g} of the answers flipping either way, and rounding"
        )
    if value.value is None or value.low is None or value.high is None:
        return None
    return Chance(
        value.value - value.low + rounding,
        value.high - value.value + rounding,
        "chance is our sampling interval and rounding, so it's too wide: "
        f"{spec.aggregation.value} is no sum over answers",
    )


def columns_of(rows: Iterable[ScoredSample], specs: Iterable[MetricSpec]) -> dict[str, ScoreColumn]:
    """Scores of several metrics, by their names, in one pass over streamed samples."""
    builders = [ColumnBuilder(spec) for spec in specs]
    if not builders:
        return {}
    for row in rows:
        for builder in builders:
            builder.add(row)
    return {builder.spec.name: builder.column() for builder in builders}


def _linear(spec: MetricSpec) -> bool:
    return spec.aggregation not in QUANTILES and spec.aggregation not in RATIOS


def _range(spec: MetricSpec, known: ScoreColumn, weights: Floats) -> float:
    """Range of one score: that of the metric shared out by weight, or what was seen."""
    if spec.low is None or spec.high is None:
        return float(np.ptp(known.values))
    return (spec.high - spec.low) / float(np.sum(weights))
