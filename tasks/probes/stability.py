"""Whether repeated timings agree well enough to be compared."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from harness.records import Record

__all__ = ["NOISY_CV", "Stability", "stability", "stability_notes"]

NOISY_CV = 0.10
"""Coefficient of variation above which timings are called too noisy to compare."""

_FEWEST = 3


class Stability(Record, frozen=True, kw_only=True):
    """How much repeated timings of one thing vary."""

    rounds: int
    """Timings."""

    cv: float | None
    """Coefficient of variation: sample standard deviation over mean; `None` for one round."""

    robust_cv: float | None = None
    """The same without regard to outliers: 1.4826 times the median absolute deviation, over the
    median (Rousseeuw and Croux 1993); equal to the other for normal timings."""

    @property
    def outliers(self) -> bool:
        """Whether a few timings alone make it noisy, so that the median still stands."""
        return self.noisy and self.robust_cv is not None and self.robust_cv <= NOISY_CV

    @property
    def few(self) -> bool:
        """Whether there are too few timings to say anything about their spread."""
        return self.rounds < _FEWEST

    @property
    def noisy(self) -> bool:
        """Whether the timings vary too much to be compared."""
        return not self.few and self.cv is not None and self.cv > NOISY_CV


def stability(seconds: Sequence[float]) -> Stability:
    """Judge repeated timings of one thing.

    Args:
        seconds: One or more timings, all above zero.

    Raises:
        ValueError: There is none.

    Example:
        >>> stability([0.99, 1.0, 1.01]).noisy
        False
        >>> stability([1.0, 1.0, 1.4]).noisy
        True
    """
    if not seconds:
        raise ValueError("there are no timings to judge")
    spread = statistics.stdev(seconds) / statistics.fmean(seconds) if len(seconds) > 1 else None
    middle = statistics.median(seconds)
    deviation = statistics.median(abs(value - middle) for value in seconds)
    robust = 1.4826 * deviation / middle if len(seconds) > 1 else None
    return Stability(rounds=len(seconds), cv=spread, robust_cv=robust)


def stability_notes(judged: Mapping[str, Stability]) -> tuple[str, ...]:
    """What readers of a table must know before they compare its timings; nothing if all is well.

    Example:
        >>> stability_notes({"a": stability([1.0, 1.0, 1.4])})
        ('too noisy to compare: a (CV 20%, 0% but for outliers)',)
    """
    noisy = [f"{name} ({_spread(it)})" for name, it in judged.items() if it.noisy]
    few = [f"{name} ({it.rounds})" for name, it in judged.items() if it.few]
    found = (("too noisy to compare", noisy), ("too few rounds to compare", few))
    return tuple(f"{what}: {', '.join(names)}" for what, names in found if names)


def _spread(judged: Stability) -> str:
    but = f", {judged.robust_cv:.0%} but for outliers" if judged.outliers else ""
    return f"CV {judged.cv:.0%}{but}"
