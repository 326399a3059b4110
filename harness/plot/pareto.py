"""A score against what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from harness.costs import QUANTITIES, Spread, readable, task_costs, timing_notes
from harness.errors import SpecError, UnknownNameError
from harness.leaderboard import Column, Row
from harness.names import suggest
from harness.plot.bars import add_note, colour
from harness.plot.data import Value, name_of, note_of, one_column, read, series
from harness.plot.saving import MARKERS, new_figure
from harness.plot.settings import PlotSettings
from harness.trades import front

__all__ = ["Trade", "draw_curve", "draw_pareto"]

_HEIGHT = 2.6
_DECADES = 30  # from this ratio of costs on, the axis is logarithmic


class Trade(NamedTuple):
    """What a run scores, and what a response costs."""

    label: str
    """Name of the run."""

    row: Row
    """The run."""

    cost: float
    """Median cost of a response."""

    score: Value
    """Score in percent."""


class _Labels(NamedTuple):
    column: Column
    cost: str
    note: bool


def draw_pareto(folders: Sequence[Path], settings: PlotSettings) -> tuple[Any, list[str]]:
    """Runs as points, with the front of those that no other beats in both.

    Raises:
        SpecError: The cost or metric is unknown, or fewer than two runs know both.
        LedgerError: A folder isn't a run, or is damaged.
    """
    column, trades, notes = _trades(folders, settings, settings.cost)
    figure, axes = new_figure(settings.width, _HEIGHT)
    for number, trade in enumerate(trades):
        _point(axes, trade, number)
    best = front(trades, lambda t: t.cost, lambda t: t.score.value)
    axes.step(
        [t.cost for t in best],
        [t.score.value for t in best],
        where="post",
        color="#58606b",
        linewidth=0.8,
        linestyle="--",
        zorder=1,
    )
    _finish(figure, axes, _Labels(column, settings.cost, settings.note), trades)
    return figure, notes


def draw_curve(folders: Sequence[Path], settings: PlotSettings) -> tuple[Any, list[str]]:
    """The score at each number of function evaluations; runs of the same weights are joined.

    Raises:
        SpecError: The metric is unknown, or fewer than two runs count evaluations.
        LedgerError: A folder isn't a run, or is damaged.
    """
    column, trades, notes = _trades(folders, settings, "nfe")
    figure, axes = new_figure(settings.width, _HEIGHT)
    for number, joined in enumerate(_families(trades)):
        xs = [t.cost for t in joined]
        axes.fill_between(
            xs,
            [t.score.low for t in joined],
            [t.score.high for t in joined],
            color=colour(number),
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(
            xs,
            [t.score.value for t in joined],
            color=colour(number),
            linewidth=1,
            marker=MARKERS[number % len(MARKERS)],
            markersize=3.5,
            label=_family_name(joined),
        )
    _finish(figure, axes, _Labels(column, "nfe", settings.note), trades)
    return figure, notes


def _trades(
    folders: Sequence[Path], settings: PlotSettings, cost: str
) -> tuple[Column, list[Trade], list[str]]:
    if cost not in QUANTITIES:
        hint = suggest(cost, QUANTITIES) or "costs: " + ", ".join(QUANTITIES)
        raise UnknownNameError(f"unknown cost {cost!r}", hint)
    table = read(folders)
    column = one_column(table, settings)
    trades, notes, spreads = [], list[str](), dict[str, Spread]()
    for one in series(table, [column]):
        spread = task_costs(one.row.folder, column.task).get(cost)
        if spread is None or one.values[0] is None:
            notes.append(f"{one.label} doesn't know {QUANTITIES[cost].name} and is left out")
        else:
            trades.append(Trade(one.label, one.row, spread.p50, one.values[0]))
            spreads[one.label] = spread
    if len(trades) < 2:
        raise SpecError(
            f"{len(trades)} of the runs know both {column.metric.name} and {QUANTITIES[cost].name}",
            "name at least two that do, or another --cost",
        )
    return column, trades, notes + timing_notes(spreads)


def _families(trades: Sequence[Trade]) -> Iterator[list[Trade]]:
    """Runs of the same model and weights, each family by rising cost."""

    def family(trade: Trade) -> tuple[str, str]:
        print_ = trade.row.fingerprint
        return print_.model, print_.weights_sha256 or ""

    for _, found in groupby(sorted(trades, key=family), family):
        yield sorted(found, key=lambda t: t.cost)


def _family_name(joined: Sequence[Trade]) -> str:
    """The run's name, or of several the model's with the beginning of its weights' hash."""
    if len(joined) == 1:
        return joined[0].label
    print_ = joined[0].row.fingerprint
    weights = f" {print_.weights_sha256[:8]}" if print_.weights_sha256 else ""
    return f"{name_of(print_.model)}{weights}"


def _point(axes: Any, trade: Trade, number: int) -> None:
    score = trade.score
    axes.errorbar(
        [trade.cost],
        [score.value],
        yerr=[[score.value - score.low], [score.high - score.value]],
        fmt=MARKERS[number % len(MARKERS)],
        color=colour(number),
        markersize=4,
        elinewidth=0.7,
        capsize=1.5,
        label=trade.label,
    )


def _finish(figure: Any, axes: Any, labels: _Labels, trades: Sequence[Trade]) -> None:
    quantity, column = QUANTITIES[labels.cost], labels.column
    costs = [trade.cost for trade in trades]
    if min(costs) > 0 and max(costs) > _DECADES * min(costs):
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda place, _: readable(place, quantity.unit))
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.set_ylim(0, 100)
    axes.set_xlabel(f"{quantity.name} per response, median")
    axes.set_ylabel(f"{name_of(column.task)} {name_of(column.metric.name)} (%)")
    axes.grid()
    figure.legend(loc="outside upper center", ncols=2, handlelength=1.6)
    if labels.note:
        add_note(figure, note_of([column]))
