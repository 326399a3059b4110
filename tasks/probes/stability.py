"""Whether repeated timings agree well enough to be compared."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from harness.records import Record

__all__ = ["NOISY_CV", "Stability", "stability"]

NOISY_CV = 0.10
"""Coefficient of variation above which timings are called too noisy to compare."""

_FEWEST = 3


class Stability(Record, frozen=True, kw_only=True):
    """How much repeated timings of one thing vary."""

    rounds: int
    """Timings."""

    cv: float | None
    """Coefficient of variation: sample standard deviation over mean; `None` for one round."""

    @property
    def verdict(self) -> str:
        """`stable`, or why these timings can't be compared.

        Example:
            >>> stability([1.0, 1.0, 1.4]).verdict
            'too noisy to compare: CV 20% over 3 rounds'
        """
        if self.cv is None or self.rounds < _FEWEST:
            return f"too few rounds to compare: {self.rounds}"
        if self.cv > NOISY_CV:
            return f"too noisy to compare: CV {self.cv:.0%} over {self.rounds} rounds"
        return "stable"


def stability(seconds: Sequence[float]) -> Stability:
    """Judge repeated timings of one thing.

    Args:
        seconds: One or more timings, all above zero.

    Raises:
        ValueError: There is none.

    Example:
        >>> stability([0.99, 1.0, 1.01]).verdict
        'stable'
    """
    if not seconds:
        raise ValueError("there are no timings to judge")
    spread = statistics.stdev(seconds) / statistics.fmean(seconds) if len(seconds) > 1 else None
    return Stability(rounds=len(seconds), cv=spread)
