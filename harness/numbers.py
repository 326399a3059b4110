"""How a metric's numbers are written: one way for leaderboards, comparisons, gates and papers."""

from __future__ import annotations

from typing import NamedTuple

from harness.records import MetricSpec

__all__ = ["MILLISECONDS", "PERCENT", "Writer", "level_text", "number_writer", "unit_writer"]


class Writer(NamedTuple):
    """Writes numbers on one scale, so that a value and its interval's ends can be compared.

    Example:
        >>> PERCENT(0.704), PERCENT(-0.02, sign=True), Writer(1, "dB", None)(33.04)
        ('70.4', '-2.0', '33 dB')
        >>> Writer(1, "points", None)(2113.4), Writer(1, "", None)(None)
        ('2,113 points', '?')
    """

    factor: float
    """What numbers are multiplied by."""

    unit: str
    """What stands behind them."""

    decimals: int | None
    """Decimals; `None` is three significant digits, or a whole number from 1,000 on."""

    def __call__(self, value: float | None, *, sign: bool = False) -> str:
        """One number with its unit, `?` if it isn't known."""
        return "?" if value is None else f"{self.bare(value, sign=sign)} {self.unit}".rstrip()

    def bare(self, value: float, *, sign: bool = False) -> str:
        """One number without its unit."""
        scaled, plus = value * self.factor, "+" if sign else ""
        if self.decimals is not None:
            return f"{round(scaled, self.decimals) + 0.0:{plus}.{self.decimals}f}"
        # Adding zero takes the minus sign from a zero.
        style = ",.0f" if abs(scaled) >= 1000 else ".3g"
        return f"{scaled + 0.0:{plus}{style}}"


PERCENT = Writer(100, "", 1)
"""For fractions, whose unit is left out as everybody does."""

MILLISECONDS = Writer(1000, "ms", None)
"""For seconds below 1."""


def number_writer(metric: MetricSpec) -> Writer:
    """Percent with one decimal for fractions, three digits and the unit for all else."""
    fraction = (metric.low, metric.high) == (0.0, 1.0)
    return unit_writer(metric.unit) if metric.unit or fraction else Writer(1, "", None)


def unit_writer(unit: str) -> Writer:
    """The writer of numbers with a unit; those without are fractions."""
    return Writer(1, unit, None) if unit else PERCENT


def level_text(level: float) -> str:
    """The coverage of an interval, never rounded up to certainty.

    Example:
        >>> level_text(1 - 2 * 0.05), level_text(1 - 2 * 0.001)
        ('90%', '99.8%')
    """
    return f"{round(100 * level, 4):.6g}%"
