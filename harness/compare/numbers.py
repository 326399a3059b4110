"""Numbers of a comparison as people read them."""

from __future__ import annotations

from typing import NamedTuple

from harness.compare.records import Change, Difference
from harness.numbers import Writer, number_writer
from harness.records import Direction

__all__ = ["ReadableDifference", "bounds_text", "change_text", "p_text", "readable"]


_MEANINGS = {
    Change.BETTER: "better",
    Change.WORSE: "worse",
    Change.UNCLEAR: "no clear difference",
    Change.UNJUDGED: "not judged",
    Change.UNKNOWN: "too few samples",
}


class ReadableDifference(NamedTuple):
    """The texts of one row."""

    name: str
    """Task, and the metric if it isn't the primary one; the category of a category's row."""

    first: str
    """The first run's value."""

    second: str
    """The second run's value."""

    difference: str
    """The difference with its sign, and its bounds where samples are unknown."""

    interval: str
    """Its 95% interval."""

    p_value: str
    """Adjusted where it is, else raw in brackets."""

    change: str
    """What it means."""

    detectable: str
    """What could have been seen."""

    flips: str
    """Samples gained and lost; empty for unbounded scores, as timings, of which all change."""

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
        difference=_change(difference, write),
        interval="" if low is None else f"[{write(low, sign=True)}, {write(high, sign=True)}]",
        p_value=p_text(difference),
        change=change_text(difference),
        detectable="" if detectable is None else f"±{write(detectable)}",
        flips=_flips(difference),
        n=_count(difference),
    )


def _name(difference: Difference) -> str:
    if difference.category:
        return f"{difference.task}: {difference.category}"
    return difference.task if difference.primary else f"{difference.task} {difference.metric.name}"


def _flips(difference: Difference) -> str:
    spec = difference.metric
    if spec.low is None or spec.high is None:
        return ""
    return f"+{difference.only_second} -{difference.only_first}"


def _change(difference: Difference, write: Writer) -> str:
    text, bounds = write(difference.difference, sign=True), bounds_text(difference, write)
    return f"{text}, {bounds}" if bounds else text


def bounds_text(difference: Difference, write: Writer) -> str:
    """Where the difference lies if unknown samples count either way; empty if none is unknown."""
    low, high = difference.bound_low, difference.bound_high
    if low is None or high is None:
        return ""
    return f"bounds {write.bare(low, sign=True)} to {write.bare(high, sign=True)}"


def change_text(difference: Difference) -> str:
    """What a difference means, in words; with a warning if unknown samples could turn it."""
    doubt = ", unless unknown samples turn it" if _could_turn(difference) else ""
    clear = difference.change in (Change.BETTER, Change.WORSE)
    alone = " (unadjusted)" if clear and difference.p_adjusted is None else ""
    return _MEANINGS[difference.change] + alone + doubt


def _could_turn(difference: Difference) -> bool:
    """Whether unknown samples, counted for the other run, would undo what was found."""
    low, high = difference.bound_low, difference.bound_high
    if difference.change not in (Change.BETTER, Change.WORSE) or low is None or high is None:
        return False
    rose = (difference.change is Change.BETTER) is (
        difference.metric.direction is not Direction.LOWER
    )
    return low <= 0 if rose else high >= 0


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
