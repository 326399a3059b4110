"""What the templates of a report show: records arranged for reading, nothing computed anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.costs import QUANTITIES, Quantity, Spread, readable, timing_notes
from harness.leaderboard import Cell, Table
from harness.report.drawing import Mark, Point, points, spread_mark, ticks
from harness.report.pairs import Pair
from harness.report.runs import ReportRun, TaskGroup
from harness.report.samples import SampleIndex

__all__ = [
    "CostCell",
    "CostRow",
    "Plane",
    "Report",
    "cost_notes",
    "cost_rows",
    "page_data",
    "planes",
]


class Report(NamedTuple):
    """All that a report is made of."""

    title: str
    """Heading."""

    table: Table
    """Every metric of every run."""

    runs: list[ReportRun]
    """The runs."""

    groups: list[TaskGroup]
    """Tasks by protocol."""

    indexes: Mapping[int, list[SampleIndex]]
    """Samples by group, one index per run."""

    pairs: list[Pair]
    """Comparisons."""

    notes: list[str]
    """What was left out of the report."""


class CostCell(NamedTuple):
    """One quantity of one run."""

    text: str
    """Median."""

    around: str
    """10th to 90th percentile; empty where they're equal."""

    mark: Mark
    """Where to draw it."""

    n: int
    """Responses that it's known of."""


class CostRow(NamedTuple):
    """The costs of one run on one task."""

    run: ReportRun
    """The run."""

    cells: list[CostCell | None]
    """One per quantity; `None` where nothing is known."""


class Plane(NamedTuple):
    """Score against a cost."""

    quantity: Quantity
    """The cost."""

    points: list[Point]
    """The runs."""

    marks: list[tuple[float, str]]
    """Place and text of the marks below."""


def cost_rows(report: Report, group: TaskGroup) -> tuple[list[Quantity], list[CostRow]]:
    """The quantities that any run knows for a task, and the runs' values."""
    indexes = report.indexes[group.number]
    keys = [key for key in QUANTITIES if any(key in index.costs for index in indexes)]
    spreads = {key: [i.costs[key] for i in indexes if key in i.costs] for key in keys}
    rows = [
        CostRow(report.runs[index.run], [_cost(index, key, spreads[key]) for key in keys])
        for index in indexes
        if index.costs
    ]
    return [QUANTITIES[key] for key in keys], rows


def cost_notes(report: Report, group: TaskGroup) -> list[str]:
    """What one must know before comparing the runs' times."""
    indexes = report.indexes[group.number]
    return timing_notes(
        {report.runs[i.run].label: i.costs["seconds"] for i in indexes if "seconds" in i.costs}
    )


def _cost(index: SampleIndex, key: str, spreads: Sequence[Spread]) -> CostCell | None:
    spread = index.costs.get(key)
    if spread is None:
        return None
    low, mid, high = (
        readable(v, QUANTITIES[key].unit) for v in (spread.p10, spread.p50, spread.p90)
    )
    around = "" if spread.p10 == spread.p90 else f"{low} to {high}"
    return CostCell(mid, around, spread_mark(spread, spreads), spread.n)


def planes(report: Report, group: TaskGroup) -> list[Plane]:
    """Score against time and against vision tokens, where two runs know both."""
    metric = report.table.columns[group.columns[0]].metric
    if (metric.low, metric.high) != (0.0, 1.0):
        return []
    made = (_plane(report, group, key) for key in ("seconds", "vision_tokens"))
    return [plane for plane in made if plane is not None]


def _plane(report: Report, group: TaskGroup, key: str) -> Plane | None:
    known: list[tuple[str, Cell, float]] = []
    for index in report.indexes[group.number]:
        cell = report.table.rows[index.run].cells[group.columns[0]]
        spread = index.costs.get(key)
        if spread is not None and cell.value is not None and cell.value.value is not None:
            known.append((report.runs[index.run].label, cell, spread.p50))
    if len(known) < 2 or len({cost for *_, cost in known}) < 2:
        return None
    top = max(cost for *_, cost in known) * 1.08
    unit = QUANTITIES[key].unit
    marks = [(100 * tick / top, readable(tick, unit) if tick else "0") for tick in ticks(top)]
    return Plane(QUANTITIES[key], points(known), marks)


def page_data(report: Report) -> dict[str, Any]:
    """What the page's script knows: runs, and where the samples of each task are."""
    return {
        "runs": [run.label for run in report.runs],
        "groups": [_group_data(report, group) for group in report.groups],
    }


def _group_data(report: Report, group: TaskGroup) -> dict[str, Any]:
    metric = group.metadata.primary
    indexes = report.indexes[group.number]
    categories = sorted({name for index in indexes for name in index.categories})
    return {
        "task": group.task,
        "qualifier": group.qualifier,
        "fraction": (metric.low, metric.high, metric.unit) == (0.0, 1.0, ""),
        "unit": metric.unit,
        "metric": metric.name,
        "categories": categories,
        "runs": [
            {
                "run": index.run,
                "total": index.total,
                "rows": index.rows,
                "bodies": index.bodies,
                "verdicts": index.verdicts,
            }
            for index in indexes
        ],
    }
