"""Looking at results as they come, and stopping when it's certain, without cheating.

A fixed-size test may be looked at once. A confidence sequence holds at every moment at once: the
chance that it ever excludes the truth is at most alpha, however often one looks and whenever one
stops (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting").
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from harness.stats.clustered import Floats

__all__ = ["BettingSequence", "Look", "SequentialGate", "Stop"]

_GRID = 801
_LARGEST_BET = 0.5
_PRIOR_VARIANCE = 0.25


class BettingSequence:
    """Confidence sequence of the mean of values in [0, 1], by hedged betting.

    For every candidate mean m, one gambler bets that the truth is above m, one that it's below. At
    the true mean both play a fair game, so by Ville's inequality their average capital exceeds
    1 / alpha with probability at most alpha; candidates against which it did are excluded for
    good. Bets follow the predictable plug-in rule of Waudby-Smith and Ramdas (2024, eq. 26), so
    the sequence adapts to the variance.

    Values must be exchangeable given the past, each with the same conditional mean: feed one value
    per cluster, in an order that was drawn before looking.

    Args:
        alpha: Chance of ever excluding the true mean.

    Example:
        >>> sequence = BettingSequence(alpha=0.05)
        >>> for _ in range(200):
        ...     sequence.add(0.9)
        >>> sequence.low > 0.8
        True
    """

    def __init__(self, alpha: float = 0.05) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha {alpha} isn't between 0 and 1")
        self.alpha = alpha
        self.n = 0
        self._means: Floats = np.linspace(0.0, 1.0, _GRID)
        self._rising = np.zeros(_GRID)
        self._falling = np.zeros(_GRID)
        self._alive = np.ones(_GRID, dtype=bool)
        self._sum, self._squares = 0.5, _PRIOR_VARIANCE

    def add(self, value: float) -> None:
        """Take one more value.

        Raises:
            ValueError: It isn't in [0, 1].
        """
        if not 0 <= value <= 1:
            raise ValueError(f"{value} isn't in [0, 1]; scale scores by their range first")
        bet = self._bet()
        above = np.minimum(bet, _LARGEST_BET / np.maximum(self._means, 1e-12))
        below = np.minimum(bet, _LARGEST_BET / np.maximum(1 - self._means, 1e-12))
        self._rising += np.log1p(above * (value - self._means))
        self._falling += np.log1p(-below * (value - self._means))
        capital = np.logaddexp(self._rising, self._falling) - np.log(2)
        self._alive &= capital < -np.log(self.alpha)
        self._learn(value)

    @property
    def low(self) -> float:
        """Lower end: the largest value that everything alive is above; 0 at first."""
        alive = np.flatnonzero(self._alive)
        # One cell outwards, so that the grid never cuts off a mean between its points.
        return float(self._means[max(alive[0] - 1, 0)]) if len(alive) else self.mean

    @property
    def high(self) -> float:
        """Upper end; 1 at first."""
        alive = np.flatnonzero(self._alive)
        return float(self._means[min(alive[-1] + 1, _GRID - 1)]) if len(alive) else self.mean

    @property
    def mean(self) -> float:
        """Mean of the values so far, drawn towards 1/2 by one imagined value."""
        return self._sum / (self.n + 1)

    def _bet(self) -> float:
        """Stake of the next round, from the past alone."""
        variance = self._squares / (self.n + 1)
        rounds = self.n + 1
        return float(np.sqrt(2 * np.log(2 / self.alpha) / (variance * rounds * np.log(rounds + 1))))

    def _learn(self, value: float) -> None:
        self.n += 1
        self._sum += value
        self._squares += (value - self.mean) ** 2


class Stop(StrEnum):
    """What a sequential gate knows."""

    REGRESSED = "regressed"
    """The candidate is worse, by any amount, at level alpha."""

    EQUIVALENT = "no regression larger than the margin"
    """A drop of the margin or more is excluded at level alpha."""

    UNDECIDED = "undecided"
    """Neither yet; more samples may tell."""


class Look(NamedTuple):
    """What is known after some clusters."""

    verdict: Stop
    """The verdict."""

    low: float
    """Lower end of the confidence sequence of candidate minus baseline."""

    high: float
    """Upper end."""

    n: int
    """Clusters seen."""


class SequentialGate:
    """Stops as soon as a candidate is certainly worse, or certainly not worse by the margin.

    Takes differences "candidate minus baseline" of the same samples, one mean per cluster. The
    chance of ever saying "regressed" of a candidate that isn't, or of ever clearing one that is
    worse by the margin or more, is at most alpha, whenever it's asked.

    Args:
        margin: Largest drop that is tolerated, in the score's unit; positive.
        span: Largest possible absolute difference: the score's range, 1 for rates.
        alpha: Chance of a wrong verdict.

    Raises:
        ValueError: `margin` isn't between 0 and `span`.

    Example:
        >>> gate = SequentialGate(margin=0.05)
        >>> for _ in range(2000):
        ...     look = gate.add(0.0)
        ...     if look.verdict is not Stop.UNDECIDED:
        ...         break
        >>> look.verdict.value
        'no regression larger than the margin'
    """

    def __init__(self, margin: float, *, span: float = 1.0, alpha: float = 0.05) -> None:
        if not 0 < margin < span:
            raise ValueError(f"margin {margin} isn't between 0 and the score's range {span}")
        self.margin = margin
        self._span = span
        self._sequence = BettingSequence(alpha)

    def add(self, difference: float) -> Look:
        """Take the next cluster's mean difference, and say what is known.

        Raises:
            ValueError: The difference is larger than `span`.
        """
        if abs(difference) > self._span:
            raise ValueError(f"difference {difference} is larger than the range {self._span}")
        self._sequence.add((difference / self._span + 1) / 2)
        return self.look()

    def look(self) -> Look:
        """What is known now."""
        low = (2 * self._sequence.low - 1) * self._span
        high = (2 * self._sequence.high - 1) * self._span
        return Look(self._verdict(low, high), low, high, self._sequence.n)

    def _verdict(self, low: float, high: float) -> Stop:
        if high < 0:
            return Stop.REGRESSED
        return Stop.EQUIVALENT if low > -self.margin else Stop.UNDECIDED
