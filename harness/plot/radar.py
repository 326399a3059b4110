"""One task's categories on a circle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.plot.bars import add_legend, add_note, colour
from harness.plot.data import category_columns, name_of, note_of, read, series
from harness.plot.saving import MARKERS, new_figure
from harness.plot.settings import PlotSettings

__all__ = ["draw_radar"]

_HEIGHT = 3.0


def draw_radar(folders: Sequence[Path], settings: PlotSettings) -> tuple[Any, list[str]]:
    """A closed line for each run; its interval is a band.

    Raises:
        SpecError: The task has fewer than three categories, or several protocols.
        LedgerError: A folder isn't a run, or is damaged.
    """
    table = read(folders)
    columns = category_columns(table, settings.task)
    found = series(table, columns)
    whole = [one for one in found if all(value is not None for value in one.values)]
    figure, axes = new_figure(settings.width, _HEIGHT, projection="polar")
    angles = [2 * math.pi * i / len(columns) for i in range(len(columns))]
    for number, one in enumerate(whole):
        values = [v for v in one.values if v is not None]
        closed = [*values, values[0]]
        around = [*angles, angles[0]]
        axes.fill_between(
            around,
            [v.low for v in closed],
            [v.high for v in closed],
            color=colour(number),
            alpha=0.12,
            linewidth=0,
        )
        axes.plot(
            around,
            [v.value for v in closed],
            color=colour(number),
            label=one.label,
            linewidth=1,
            marker=MARKERS[number % len(MARKERS)],
            markersize=2.5,
        )
    _label(axes, angles, [name_of(c.metric.category or "") for c in columns])
    add_legend(figure, axes, len(whole))
    if settings.note:
        add_note(figure, note_of(columns))
    lacking = [one.label for one in found if one not in whole]
    return figure, [f"{label} lacks a category and is left out" for label in lacking]


def _label(axes: Any, angles: Sequence[float], names: Sequence[str]) -> None:
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, names)
    for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
        side = math.sin(angle)
        label.set_ha("center" if abs(side) < 0.1 else "left" if side > 0 else "right")
    axes.set_ylim(0, 100)
    axes.set_yticks([25, 50, 75, 100], ["25", "50", "75", "100"], fontsize=5, color="#58606b")
    axes.spines["polar"].set_color("#d9dde3")
