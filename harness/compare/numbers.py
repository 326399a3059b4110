"""Numbers of a comparison as people read them."""

from __future__ import annotations

from typing import NamedTuple

from harness.compare.records import Change, Difference
from harness.records import MetricSpec

__all__ = ["ReadableDifference", "Writer", "change_text", "number_writer", "p_text", "readable"]


class ReadableDifference(NamedTuple):
    """The texts of one row."""

    name: str
    """Task, and the metric if it isn't the primary one; the category of a category's row."""

    first: str
    """The first run's value."""

    second: str
    """The second run's value."""

    difference: str
    """The difference with its sign."""

    interval: str
    """Its 95% interval."""

    p_value: str
    """Adjusted where it is, else raw in brackets."""

    change: str
    """What it means."""

    detectable: str
    """What could have been seen."""

    flips: str
    """Samples gained and lost."""

    n: str
    """Paired samples in clusters."""


def readable(difference: Difference) -> ReadableDifference:
    """The texts of one row; fractions are in percent, their differences in points."""
    write = number_writer(difference.metric)
    low, high = difference.low, difference.high
    detectable = difference.detectable
    return ReadableDifference(
        name=_name(difference),
        first=write(difference.first),
        second=write(difference.second),
        difference=write(difference.difference, sign=True),
        interval="" if low is None else f"[{write(low, sign=True)}, {write(high, sign=True)}]",
        p_value=p_text(difference),
        change=change_text(difference),
        detectable="" if detectable is None else f"±{write(detectable)}",
        flips=f"+{difference.only_second} -{difference.only_first}",
        n=_count(difference),
    )


def _name(difference: Difference) -> str:
    if difference.category:
        return f"{difference.task}: {difference.category}"
    return difference.task if difference.primary else f"{difference.task} {difference.metric.name}"


def change_text(difference: Difference) -> str:
    """What a difference means, in words."""
    return {
        Change.BETTER: "better",
        Change.WORSE: "worse",
        Change.UNCLEAR: "no clear difference",
        Change.UNKNOWN: "too few samples",
    }[difference.change]


def p_text(difference: Difference) -> str:
    """The adjusted p-value, or the raw one in brackets where none was adjusted."""
    if difference.p_adjusted is not None:
        return _p(difference.p_adjusted)
    return "" if difference.p_value is None else f"({_p(difference.p_value)})"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _count(difference: Difference) -> str:
    clustered = "" if difference.clusters == difference.n else f" in {difference.clusters}"
    unknown = f", {difference.unknown} unknown" if difference.unknown else ""
    return f"{difference.n}{clustered}{unknown}"


class Writer(NamedTuple):
    """Writes a metric's numbers: fractions in percent with one decimal, others to three digits."""

    factor: float
    """What numbers are multiplied by."""

    unit: str
    """What stands behind them."""

    decimals: int | None
    """Decimals; `None` is three digits."""

    def __call__(self, value: float | None, *, sign: bool = False) -> str:
        """One number, `?` if it isn't known."""
        if value is None:
            return "?"
        scaled = value * self.factor + 0.0  # no minus sign on a zero
        if self.decimals is not None:
            rounded = round(scaled, self.decimals) + 0.0
            text = f"{rounded:+.{self.decimals}f}" if sign else f"{rounded:.{self.decimals}f}"
        else:
            text = f"{scaled:+.3g}" if sign else f"{scaled:.3g}"
        return f"{text} {self.unit}".rstrip()


def number_writer(metric: MetricSpec) -> Writer:
    """How a metric's numbers are written."""
    if (metric.low, metric.high, metric.unit) == (0.0, 1.0, ""):
        return Writer(100, "", 1)
    return Writer(1, metric.unit, None)
