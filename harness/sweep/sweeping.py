"""Carrying a sweep out, and reading what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from harness.costs import QUANTITIES, Costs, task_costs, timing_notes
from harness.errors import SpecError, UnknownNameError
from harness.files import write_text
from harness.layout import json_text
from harness.names import suggest
from harness.records import Direction, JsonValue, MetricValue, TaskPlan
from harness.run.several import MakeProgress, execute_each
from harness.run.tasks import build_tasks
from harness.runspec import ModelRef, RunSpec, resolve
from harness.sources import open_source
from harness.sweep.points import folder_name, point_name, points
from harness.sweep.records import Sweep, SweepPoint
from harness.trades import front

__all__ = ["SWEEP_FILE", "sweep"]

SWEEP_FILE = "sweep.json"
"""Name of the file in the output folder."""


def sweep(
    spec: RunSpec,
    vary: Mapping[str, Sequence[JsonValue]],
    *,
    cost: str = "seconds",
    metric: str | None = None,
    progress: MakeProgress | None = None,
    command: Sequence[str] = (),
) -> Sweep:
    """Run one task at every combination of model arguments, and write `sweep.json`.

    Each point is an ordinary run in a folder of its own, so the same call resumes.

    Args:
        spec: The run; its `out` is the folder of all, and it names one task.
        vary: Values of each model argument.
        cost: What the trade-off is against, a key of `harness.costs.QUANTITIES`.
        metric: The score; `None` is the task's primary metric.
        progress: Makes who is told how far each run is; `None` is nobody.
        command: Command line for the manifests.

    Raises:
        SpecError: The run has several tasks, the task itself demands an argument that is varied,
            or an argument is fixed and varied.
        UnknownNameError: There's no such cost or metric.
        BenchError: As `execute`; what was finished stays.
    """
    plan = _checked(spec, vary, cost)
    wanted = _metric(plan, metric)
    runs = {folder_name(point): point for point in points(vary)}
    specs = [_at(spec, point, folder) for folder, point in runs.items()]
    execute_each(specs, progress=progress, command=command)
    costs = {folder: task_costs(Path(spec.out) / folder, plan.task) for folder in runs}
    found = [
        _read(Path(spec.out), folder, point, wanted, costs[folder])
        for folder, point in runs.items()
    ]
    report = Sweep(
        task=plan.task,
        protocol_hash=plan.protocol.hash,
        model=spec.model.name,
        metric=wanted,
        cost=cost,
        points=_marked(found, cost, lower=_lower_is_better(plan, wanted)),
        notes=_notes({point_name(point): costs[folder] for folder, point in runs.items()}),
    )
    write_text(Path(spec.out) / SWEEP_FILE, json_text(report))
    return report


def _checked(spec: RunSpec, vary: Mapping[str, Sequence[JsonValue]], cost: str) -> TaskPlan:
    """The plan of the one task, if it can be swept over these arguments."""
    if cost not in QUANTITIES:
        hint = suggest(cost, QUANTITIES) or "costs: " + ", ".join(QUANTITIES)
        raise UnknownNameError(f"unknown cost {cost!r}", hint)
    fixed = sorted(set(vary) & set(spec.model.args))
    if fixed:
        raise SpecError(f"{fixed[0]} is both fixed and varied", "give it once")
    plans = [built.plan for built in build_tasks(resolve(spec), spec.seed)]
    if len(plans) != 1:
        raise SpecError(f"a sweep is about one task, not {len(plans)}", "name one --task")
    demanded = [name for name in vary if plans[0].protocol.decoding.get(name) is not None]
    if demanded:
        raise SpecError(
            f"task {plans[0].task!r} itself demands {demanded[0]}, so the model's is never used",
            "open it with a task option, or vary something else",
        )
    return plans[0]


def _metric(plan: TaskPlan, metric: str | None) -> str:
    names = [spec.name for spec in plan.metadata.metrics]
    if metric is None:
        return names[0]
    if metric not in names:
        hint = suggest(metric, names) or "it has: " + ", ".join(names)
        raise UnknownNameError(f"task {plan.task!r} has no metric {metric!r}", hint)
    return metric


def _lower_is_better(plan: TaskPlan, metric: str) -> bool:
    (spec,) = [spec for spec in plan.metadata.metrics if spec.name == metric]
    return spec.direction is Direction.LOWER


def _at(spec: RunSpec, point: Mapping[str, JsonValue], folder: str) -> RunSpec:
    model = spec.model
    label = f"{model.label or model.name} {point_name(point)}"
    ref = ModelRef(name=model.name, args={**model.args, **point}, label=label)
    return msgspec.structs.replace(spec, model=ref, out=str(Path(spec.out) / folder))


def _read(
    out: Path, folder: str, point: Mapping[str, JsonValue], metric: str, costs: Costs
) -> SweepPoint:
    with open_source(out / folder) as source:
        (result,) = source.results()
    value = next((one for one in result.metrics if one.name == metric), None)
    timed = costs["seconds"].batches if "seconds" in costs else None
    return SweepPoint(
        args=point,
        folder=folder,
        value=value or MetricValue(name=metric, value=None, n=0),
        costs={key: spread.p50 for key, spread in costs.items()},
        batch_size=None if timed is None else timed.size,
        first=None if timed is None else timed.first,
        best=False,
    )


def _notes(costs: Mapping[str, Costs]) -> tuple[str, ...]:
    return tuple(timing_notes({name: c["seconds"] for name, c in costs.items() if "seconds" in c}))


def _marked(found: Sequence[SweepPoint], cost: str, *, lower: bool) -> tuple[SweepPoint, ...]:
    """The points with the front marked; those without score or cost are never on it."""
    sign = -1.0 if lower else 1.0
    known = [one for one in found if one.value.value is not None and cost in one.costs]
    best = front(known, lambda one: one.costs[cost], lambda one: sign * (one.value.value or 0.0))
    folders = {one.folder for one in best}
    return tuple(msgspec.structs.replace(one, best=one.folder in folders) for one in found)
