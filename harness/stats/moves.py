"""How far samples moved between two runs, where a sample can move by no more than a known step.

Everything about a bounded score is said with shares of that step: 0/1 scores move by 0 or 1, soft
ones by less, and what a sample adds to F1 by at most what a lost true positive takes away. Where
few samples moved, intervals and power come from the moves that could have been seen, not from the
spread of those that were.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from harness.stats.clustered import Estimate, Floats, Ints, estimate_mean
from harness.stats.intervals import LEVEL, Interval, effective_size
from harness.stats.paired_shares import DOUBT, paired_share_interval
from harness.stats.power import minimum_detectable_difference

__all__ = ["Moves", "PlainError", "measure_moves"]

_TAIL = 1e-9


class PlainError(NamedTuple):
    """What is known of a difference without bounds: its standard error."""

    standard_error: float
    """In the score's unit."""

    degrees: int
    """Its degrees of freedom."""

    def error_at(self, drop: float) -> float:
        """Standard error of the difference if the true one were `drop`."""
        del drop  # an unbounded score says nothing about it
        return self.standard_error

    def detectable(self, alpha: float, power: float = 0.8) -> float | None:
        """Smallest true difference that a two-sided test at `alpha` finds with this power."""
        return minimum_detectable_difference(
            self.standard_error, self.degrees, alpha=alpha, power=power
        )


class Moves(NamedTuple):
    """What is known of a difference with bounds: how much of the largest step samples moved."""

    estimate: Estimate
    """Mean move in steps, with its cluster-robust error."""

    gained: float
    """Mean of the moves upwards, in steps."""

    lost: float
    """Mean of the moves downwards, in steps; positive."""

    squares: float
    """Mean of the squared moves; that of 0/1 scores is `gained + lost`."""

    step: float
    """The largest move of one sample, in the metric's unit."""

    @property
    def size(self) -> float:
        """Number of independent samples with moves of 0 and 1 that would tell as much."""
        flips, square = self.gained + self.lost, self.estimate.value**2
        spread, own = flips - square, self.squares - square
        return effective_size(
            self.estimate,
            spread,
            self.estimate.n * flips,
            DOUBT,
            own / spread if spread > 0 else 1.0,
        )

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the error."""
        return self.estimate.degrees

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Score interval of the difference, in the metric's unit; `None` with too few clusters."""
        found = paired_share_interval(self.estimate, self.gained, self.lost, level, self.size)
        return found and found._replace(low=found.low * self.step, high=found.high * self.step)

    def error_at(self, drop: float) -> float:
        """Standard error of the difference if the true one were `drop`, with the churn as it is."""
        share = min(abs(drop) / self.step, 1.0)
        return self.step * math.sqrt(max(2 * self._churn + share - share**2, 0.0) / self.size)

    def detectable(self, alpha: float, power: float = 0.8) -> float | None:
        """Smallest true drop that McNemar's exact test at `alpha` finds with this power.

        Samples that moved without a drop go on moving both ways; the drop moves others down.
        Swapped clusters, which test clustered and soft scores, have about the power of McNemar's
        test over the effective size.

        Args:
            alpha: Level of the two-sided test.
            power: Wanted chance of finding it.

        Returns:
            The drop, in the metric's unit; `None` if not even the largest possible is found, or
            there are too few clusters.
        """
        if not self.estimate.degrees > 0:
            return None
        churn, size = self._churn, max(round(self.size), 1)

        def lacking(drop: float) -> float:
            return _power(churn, churn + drop, size, alpha) - power

        most = 1 - 2 * churn
        if most <= 0 or lacking(most) < 0:
            return None
        if lacking(0.0) >= 0:
            return 0.0
        return self.step * float(brentq(lacking, 0.0, most, xtol=1e-5))

    @property
    def _churn(self) -> float:
        """Share that moves each way without any difference."""
        return max(self.gained + self.lost - abs(self.estimate.value), 0.0) / 2


def measure_moves(moves: Floats, step: float, clusters: Ints, strata: Ints | None = None) -> Moves:
    """Sum up the moves of samples.

    Args:
        moves: Second minus first of each sample, shape (n,); none larger than `step`.
        step: The largest possible move; positive.
        clusters: Cluster number of each sample, shape (n,).
        strata: Stratum number of each sample, for unweighted means of strata.

    Raises:
        ValueError: `step` isn't positive, or a move is larger.

    Example:
        >>> moves = measure_moves(np.array([1.0, 0.0, 0.0, -1.0]), 1.0, np.arange(4))
        >>> moves.gained, moves.lost, moves.estimate.value
        (0.25, 0.25, 0.0)
    """
    if not step > 0:
        raise ValueError(f"a largest move of {step} leaves nothing to compare")
    shares = moves / step
    if np.abs(shares).max(initial=0.0) > 1 + 1e-9:
        raise ValueError(f"a sample moved by {np.abs(moves).max()}, more than {step}")

    def mean(values: Floats) -> float:
        return estimate_mean(values, clusters, strata).value

    return Moves(
        estimate=estimate_mean(shares, clusters, strata),
        gained=mean(np.maximum(shares, 0.0)),
        lost=mean(np.maximum(-shares, 0.0)),
        squares=mean(shares**2),
        step=step,
    )


def _power(gain: float, loss: float, size: int, alpha: float) -> float:
    """Chance that McNemar's exact two-sided test rejects, over `size` independent samples."""
    moving = min(gain + loss, 1.0)
    if moving <= 0:
        return 0.0
    few, many = binom.ppf([_TAIL, 1 - _TAIL], size, moving)
    totals = np.arange(max(int(few), 1), int(many) + 1)
    # Two-sided p below alpha: at least so many of the moves go one way.
    needed = binom.isf(alpha / 2, totals, 0.5) + 1
    down = binom.sf(needed - 1, totals, loss / (gain + loss))
    return float(np.sum(binom.pmf(totals, size, moving) * down))
