"""A sweep as a table: dearer settings below, the front marked."""

from __future__ import annotations

from harness.cli.layout import columns
from harness.costs import QUANTITIES, readable
from harness.sweep.records import Sweep, SweepPoint

__all__ = ["sweep_table"]

_LEGEND = (
    "*: no setting scores as much for less. Intervals of one setting, 95%; whether two settings "
    "differ, `cheers-bench compare` says sample by sample."
)

_FIRSTS = (
    "Times leave out a model's first batches of a kind and of a size wherever there are others."
)


def sweep_table(sweep: Sweep) -> str:
    """A row per setting, by rising cost; settings of unknown cost come last."""
    names = list(sweep.points[0].args)
    known = {key for point in sweep.points for key in point.costs}
    costs = [key for key in ("seconds", "nfe", sweep.cost) if key in known]
    costs = list(dict.fromkeys(costs))
    head = ["", *names, sweep.metric, "95% interval", "n", *(QUANTITIES[key].name for key in costs)]
    ordered = sorted(sweep.points, key=lambda p: p.costs.get(sweep.cost, float("inf")))
    rows = [_row(point, names, costs) for point in ordered]
    title = f"{sweep.task} {sweep.protocol_hash}, {sweep.model}: {len(rows)} settings"
    lines = [title, "", columns([head, *rows], cut=False), "", _LEGEND]
    return "\n".join([*lines, *((_FIRSTS, *sweep.notes) if "seconds" in costs else ())])


def _row(point: SweepPoint, names: list[str], costs: list[str]) -> list[str]:
    value = point.value
    interval = "" if value.low is None else f"[{value.low:.4g}, {value.high:.4g}]"
    return [
        "*" if point.best else "",
        *(str(point.args[name]) for name in names),
        "-" if value.value is None else f"{value.value:.4g}",
        interval,
        str(value.n),
        *(_cost(point, key) for key in costs),
    ]


def _cost(point: SweepPoint, key: str) -> str:
    return readable(point.costs[key], QUANTITIES[key].unit) if key in point.costs else "-"
