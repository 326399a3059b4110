"""Figures for papers: scores with their intervals, never without their protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from harness.plot.settings import PlotSettings, Width

__all__ = ["KINDS", "Kind", "PlotSettings", "Width", "draw"]

Kind: TypeAlias = Literal["bars", "radar", "pareto", "curve"]
"""Kinds of figures."""

KINDS: dict[str, str] = {
    "bars": "scores of tasks, or of one task's metrics, as bars with 95% intervals",
    "radar": "one task's categories, a line for each run",
    "pareto": "a score against what a response costs, and the front of the best trade-offs",
    "curve": "a score against function evaluations, runs of one model joined",
}
"""What each kind shows."""


def draw(
    kind: Kind, folders: Sequence[Path], output: Path, settings: PlotSettings | None = None
) -> list[str]:
    """Draw a figure of runs into a file.

    Args:
        kind: What to draw.
        folders: Run folders.
        output: File whose ending says the format: `.svg`, `.pdf` or `.png`.
        settings: Task, metric, cost and size.

    Returns:
        Notes on what couldn't be drawn.

    Raises:
        SpecError: The format is unknown, or the runs have nothing of this kind.
        LedgerError: A run can't be read, or the file can't be written.
        BenchError: matplotlib isn't installed.
    """
    from harness.plot.saving import save, styled

    settings = settings or PlotSettings()
    with styled():
        figure, notes = _drawer(kind)(folders, settings)
        save(figure, output)
    return notes


def _drawer(kind: Kind) -> Callable[[Sequence[Path], PlotSettings], tuple[Any, list[str]]]:
    from harness.plot import bars, pareto, radar

    return {
        "bars": bars.draw_bars,
        "radar": radar.draw_radar,
        "pareto": pareto.draw_pareto,
        "curve": pareto.draw_curve,
    }[kind]
