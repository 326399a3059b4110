"""Results of one run as text."""

from __future__ import annotations

from pathlib import Path

from harness.cli.layout import columns
from harness.records import MetricSpec, MetricValue, RunManifest, TaskResult, TaskStatus, Verdict

__all__ = ["results_table"]


def results_table(folder: Path) -> str:
    """Every metric of a run or baseline, with intervals, verdict counts and protocols."""
    from harness.sources import open_source

    with open_source(folder) as source:
        manifest, results = source.manifest, source.results()
    rows = [["task", "metric", "value", "95% interval", "n", "verdicts", "protocol"]]
    for result in results:
        rows += _rows(result, _specs(manifest, result.task))
    return f"\n{source.label}: {manifest.status.value}, {folder}\n\n{columns(rows, cut=False)}"


def _specs(manifest: RunManifest, task: str) -> dict[str, MetricSpec]:
    plans = [plan for plan in manifest.tasks if plan.task == task]
    return {spec.name: spec for plan in plans for spec in plan.metadata.metrics}


def _rows(result: TaskResult, specs: dict[str, MetricSpec]) -> list[list[str]]:
    if result.status is TaskStatus.NOT_APPLICABLE:
        return [[result.task, "-", "n/a", "", "", "; ".join(result.notes), result.protocol_hash]]
    verdicts = ", ".join(filter(None, [_known(result), *_counts(result)]))
    shared = [[result.task, verdicts, result.protocol_hash]]
    shared += [["", "", ""]] * len(result.metrics)
    return [
        [task, metric.name, *_numbers(metric, specs.get(metric.name)), text, protocol]
        for metric, (task, text, protocol) in zip(result.metrics, shared, strict=False)
    ]


def _known(result: TaskResult) -> str:
    if result.status is TaskStatus.COMPLETE:
        return ""
    known = sum(result.verdicts.get(v.value, 0) for v in Verdict if v.is_known)
    return f"incomplete ({known}/{result.total})"


def _counts(result: TaskResult) -> list[str]:
    return [f"{count} {name}" for name, count in result.verdicts.items()]


def _numbers(metric: MetricValue, spec: MetricSpec | None) -> list[str]:
    if metric.value is None:
        return ["-", "", str(metric.n)]
    unit = f" {spec.unit}" if spec and spec.unit else ""
    interval = "" if metric.low is None else f"[{metric.low:.4g}, {metric.high:.4g}]"
    if metric.bound_low is not None or metric.bound_high is not None:
        interval += f" bounds [{_end(metric.bound_low)}, {_end(metric.bound_high)}]"
    return [f"{metric.value:.4g}{unit}", interval, str(metric.n)]


def _end(bound: float | None) -> str:
    return "?" if bound is None else f"{bound:.4g}"
