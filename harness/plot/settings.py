"""What a figure shows and how large it is."""

from __future__ import annotations

from typing import Literal, TypeAlias

from harness.records import Record

__all__ = ["HEIGHT", "WIDTHS", "PlotSettings", "Width"]

Width: TypeAlias = Literal["single", "double"]
"""Columns of a paper."""

WIDTHS = {"single": 3.3, "double": 6.9}
"""Inches, as the columns of two-column conference papers have them."""

HEIGHT = 2.4
"""Inches of a figure without a legend."""


class PlotSettings(Record, frozen=True, kw_only=True):
    """Choices of a figure; what is left open is chosen by the kind."""

    task: str | None = None
    """Registry name of the task; a figure of all tasks needs none."""

    metric: str | None = None
    """The task's metric; `None` is the primary one."""

    cost: str = "seconds"
    """What a score is drawn against, a key of `harness.costs.QUANTITIES`."""

    width: Width = "single"
    """Columns that the figure is as wide as."""

    note: bool = True
    """Whether a line below the figure names the protocols."""
