"""Scores as bars with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.leaderboard import Column, Table
from harness.plot.data import Series, bar_columns, is_fraction, name_of, note_of, read, series
from harness.plot.saving import HATCHES, PALETTE, new_figure
from harness.plot.settings import HEIGHT, PlotSettings

__all__ = ["INTERVAL", "add_legend", "add_note", "colour", "draw_bars", "hatch"]

INTERVAL = {"fmt": "none", "ecolor": "#16191d", "elinewidth": 0.8, "capsize": 1.4, "zorder": 3}
"""How intervals look on bars."""

_BAND = 0.82  # of the space between two groups
_LEGEND_LINE = 0.16  # inches


def draw_bars(folders: Sequence[Path], settings: PlotSettings) -> tuple[Any, list[str]]:
    """Groups of bars: a group for each score, a bar for each run.

    Raises:
        SpecError: The runs have nothing to draw.
        LedgerError: A folder isn't a run, or is damaged.
    """
    table = read(folders)
    columns = bar_columns(table, settings.task)
    found = series(table, columns)
    figure, axes = new_figure(settings.width, HEIGHT + _LEGEND_LINE * ((len(found) + 1) // 2))
    for number, one in enumerate(found):
        _draw(axes, number, one, len(found))
    _label(axes, columns, settings.task)
    add_legend(figure, axes, len(found))
    if settings.note:
        add_note(figure, note_of(columns))
    return figure, [] if settings.task else _left_out(table)


def _left_out(table: Table) -> list[str]:
    names = [c.task for c in table.columns if c.primary and not is_fraction(c)]
    return [f"{name} isn't between 0 and 1 and is left out" for name in dict.fromkeys(names)]


def _draw(axes: Any, number: int, one: Series, count: int) -> None:
    width = _BAND / count
    places = [i + width * (number - (count - 1) / 2) for i in range(len(one.values))]
    known = [(x, v) for x, v in zip(places, one.values, strict=True) if v is not None]
    axes.bar(
        [x for x, _ in known],
        [v.value for _, v in known],
        width * 0.92,
        label=one.label,
        color=colour(number),
        hatch=hatch(number),
        edgecolor="white",
        linewidth=0,
    )
    lines = axes.errorbar(
        [x for x, _ in known],
        [v.value for _, v in known],
        [[v.value - v.low for _, v in known], [v.high - v.value for _, v in known]],
        **INTERVAL,
    )
    _outline([*lines[1], *lines[2]])
    absent = [x for x, v in zip(places, one.values, strict=True) if v is None]
    for x in absent:
        axes.annotate(
            "n/a",
            (x, 0),
            (0, 2),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=5,
            color="#58606b",
        )


def _outline(artists: Sequence[Any]) -> None:
    """A white edge around intervals, which stand on dark bars too."""
    from matplotlib.patheffects import withStroke

    for artist in artists:
        artist.set_path_effects([withStroke(linewidth=1.8, foreground="white")])


def _label(axes: Any, columns: Sequence[Column], task: str | None) -> None:
    names = [name_of(c.metric.name if task else c.task) for c in columns]
    qualified = [
        f"{name}\n[{name_of(c.qualifier)}]" if c.qualifier else name
        for name, c in zip(names, columns, strict=True)
    ]
    tilted = len(columns) > 3
    axes.set_xticks(
        range(len(columns)),
        qualified,
        rotation=30 if tilted else 0,
        ha="right" if tilted else "center",
        rotation_mode="anchor" if tilted else "default",
    )
    axes.tick_params("x", length=0)
    axes.set_ylim(0, 100)
    axes.set_ylabel("percent")
    axes.grid(axis="y")


def colour(number: int) -> str:
    """The colour of a run."""
    return PALETTE[number % len(PALETTE)]


def hatch(number: int) -> str:
    """The pattern of a run's areas."""
    return HATCHES[number // len(PALETTE) % len(HATCHES)]


def add_legend(figure: Any, axes: Any, count: int) -> None:
    """Names of the runs above the figure, if there are several."""
    if count > 1:
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, handlelength=1.2)


def add_note(figure: Any, text: str) -> None:
    """The protocols below the figure, as many lines as they need."""
    import textwrap

    characters = int(figure.get_figwidth() * 26)
    figure.supxlabel("\n".join(textwrap.wrap(text, characters)), fontsize=5, color="#58606b")
