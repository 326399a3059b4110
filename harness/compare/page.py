"""A comparison as one self-contained HTML page."""

from __future__ import annotations

from harness.compare.flips import by_direction, by_task
from harness.compare.numbers import readable
from harness.compare.records import Comparison, Difference
from harness.pages import render_page

__all__ = ["difference_bar", "to_html"]

_FLIPS_SHOWN = 200
_MARGIN = 1.1


def to_html(comparison: Comparison) -> str:
    """The page: differences with intervals drawn, then flipped samples by task and direction."""
    flips = {task: by_direction(found) for task, found in by_task(comparison.flips).items()}
    return render_page(
        "harness.compare",
        "page",
        comparison=comparison,
        readable=readable,
        bar=difference_bar,
        flips=flips,
        shown=_FLIPS_SHOWN,
    )


def difference_bar(difference: Difference) -> dict[str, float] | None:
    """Point and interval on an axis from -1 to 1, scaled so that the interval fits."""
    low, high, value = difference.low, difference.high, difference.difference
    if low is None or high is None or value is None:
        return None
    reach = max(abs(low), abs(high), abs(value)) * _MARGIN or 1.0
    return {
        "low": 50 + 50 * low / reach,
        "width": max(50 * (high - low) / reach, 0.5),
        "value": 50 + 50 * value / reach,
    }
