"""How small a difference a comparison can see."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import nct

from harness.stats.clustered import student_quantile

__all__ = ["minimum_detectable_difference", "power_at"]

_ALPHA, _POWER = 0.05, 0.8
_FAR = 5.0  # standard errors


def power_at(
    difference: float, standard_error: float, degrees: int, alpha: float = _ALPHA
) -> float:
    """Chance that a two-sided t-test at `alpha` finds a true difference of this size.

    From the noncentral t distribution (Cohen 1988, chapter 2).

    Args:
        difference: True difference, in the score's unit.
        standard_error: Standard error of the estimated difference; positive.
        degrees: Degrees of freedom of the standard error.
        alpha: Level of the test.

    Raises:
        ValueError: `standard_error` isn't positive, or there are no degrees of freedom.

    Example:
        >>> round(power_at(0.0, 0.01, 99), 3)
        0.05
        >>> power_at(0.05, 0.01, 99) > 0.99
        True
    """
    if not standard_error > 0 or degrees < 1:
        raise ValueError(f"no power from a standard error of {standard_error} on {degrees} degrees")
    cut = student_quantile(1 - alpha, degrees)
    shift = abs(difference) / standard_error
    # Finding it with the wrong sign; beyond 5 errors below 1e-8, and SciPy may give NaN there.
    wrong_sign = nct.cdf(-cut, degrees, shift) if shift < _FAR else 0.0
    return float(nct.sf(cut, degrees, shift) + wrong_sign)


def minimum_detectable_difference(
    standard_error: float, degrees: int, *, alpha: float = _ALPHA, power: float = _POWER
) -> float | None:
    """Smallest true difference that a two-sided t-test at `alpha` finds with this power.

    Args:
        standard_error: Standard error of the estimated difference.
        degrees: Degrees of freedom of the standard error.
        alpha: Level of the test.
        power: Wanted chance of finding it, between `alpha` and 1.

    Returns:
        The difference, in the score's unit; `None` where the error is 0 or unknown, because the
        data then say nothing about it.

    Raises:
        ValueError: `power` isn't between `alpha` and 1.

    Example:
        >>> round(minimum_detectable_difference(0.01, 99), 4)
        0.0283
    """
    if not alpha < power < 1:
        raise ValueError(f"power {power} isn't between alpha {alpha} and 1")
    if degrees < 1 or not standard_error > 0 or not math.isfinite(standard_error):
        return None

    def lacking(shift: float) -> float:
        return power_at(shift, 1.0, degrees, alpha) - power

    high = 4.0
    while lacking(high) < 0:
        high *= 2
    return float(brentq(lacking, 0.0, high)) * standard_error
