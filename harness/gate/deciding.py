"""From evidence to a verdict: one rule for differences, the same for ratios of timings.

Equivalence is tested metric by metric, because the gate passes only if all are cleared
(intersection-union test; Berger 1982). Alarms are adjusted for their number, because any of them
fails the gate.
"""

from __future__ import annotations

from typing import NamedTuple

from scipy.stats import t as student

from harness.gate.records import GateVerdict
from harness.stats import Interval, Moves, PlainError

__all__ = ["Reading", "decide", "decide_ratio", "detectable_drop"]

_POWER = 0.8


class Reading(NamedTuple):
    """A difference turned so that a positive one is better."""

    value: float
    """Candidate minus baseline, or its negative where lower is better."""

    low: float
    """Lower end of the interval of level 1 - 2 alpha."""

    p_worse: float
    """Adjusted one-sided p-value of the drop."""

    p_better: float
    """Adjusted one-sided p-value of the rise."""


def decide(reading: Reading, *, margin: float, floor: float, alpha: float) -> GateVerdict:
    """The verdict on a difference.

    Args:
        reading: What is known, turned so that positive is better.
        margin: Largest drop that is tolerated.
        floor: Drop that seeds alone explain.
        alpha: Chance of a wrong verdict.

    Example:
        >>> down = Reading(value=-0.08, low=-0.12, p_worse=0.001, p_better=0.999)
        >>> decide(down, margin=0.03, floor=0.0, alpha=0.05).value
        'regressed'
        >>> decide(down, margin=0.15, floor=0.0, alpha=0.05).value
        'equivalent within margin'
    """
    if reading.value > 0 and reading.p_better < alpha:
        return GateVerdict.IMPROVED
    if reading.low > -margin:
        return GateVerdict.EQUIVALENT
    if reading.value < -floor and reading.p_worse < alpha:
        return GateVerdict.REGRESSED
    return GateVerdict.UNDECIDED


def decide_ratio(plain: Interval, strict: Interval, *, ratio: float) -> GateVerdict:
    """The verdict on a ratio of timings, above 1 if the candidate is slower.

    Args:
        plain: Interval of level 1 - 2 alpha; it clears.
        strict: Wider interval, adjusted for the number of metrics; it raises alarms.
        ratio: How many times as long the candidate may take.
    """
    if strict.high < 1:
        return GateVerdict.IMPROVED
    if plain.high < ratio:
        return GateVerdict.EQUIVALENT
    return GateVerdict.REGRESSED if strict.low > 1 else GateVerdict.UNDECIDED


def detectable_drop(
    known: Moves | PlainError, *, margin: float, floor: float, alpha: float, metrics: int
) -> float | None:
    """Smallest true drop that `decide` calls a regression with a chance of 80%.

    Three things have to hold: the drop is significant at alpha over the number of metrics (Holm's
    first step), a drop of the margin isn't excluded, and it's larger than the floor.

    Args:
        known: How exactly the difference is known.
        margin: Largest drop that is tolerated.
        floor: Drop that seeds alone explain.
        alpha: Chance of a wrong verdict.
        metrics: Number of metrics that alarms are adjusted for.

    Returns:
        The drop, in the score's unit; `None` where nothing is known of the error, or no drop is
        large enough.

    Example:
        >>> one, known = {"margin": 0.01, "floor": 0.0, "alpha": 0.05}, PlainError(0.01, 99)
        >>> round(detectable_drop(known, metrics=1, **one), 3)
        0.025
        >>> round(detectable_drop(known, metrics=8, **one), 3)
        0.034
    """
    significant = known.detectable(2 * alpha / metrics, _POWER)
    if significant is None:
        return None
    clear, reach = (float(student.ppf(p, known.degrees)) for p in (1 - alpha, _POWER))
    unexcluded = margin - (clear - reach) * known.error_at(margin)
    above = floor + reach * known.error_at(floor) if floor else 0.0
    return max(significant, unexcluded, above)
