"""Noise between seeds as a table."""

from __future__ import annotations

from harness.cli.layout import columns
from harness.noise.records import MetricNoise, NoiseReport

__all__ = ["noise_table"]

_HEAD = ["metric", "mean", "range", "SD between seeds", "expected SD", "ICC", "floor"]

_LEGEND = (
    "SD with its 95% interval (chi-square). Expected SD: what the variance within clusters leads "
    "one to expect. ICC: share of the variance of clusters' scores that isn't due to seeds. Floor: "
    "difference that two seeds exceed with a chance of 5%."
)


def noise_table(report: NoiseReport) -> str:
    """A row per metric, then what was left out."""
    seeds = ", ".join(map(str, report.seeds))
    lines = [
        f"{report.task}, {report.model}: seeds {seeds}, {report.clusters} clusters each",
        "",
        columns([_HEAD, *map(_row, report.metrics)], cut=False),
        "",
        _LEGEND,
    ]
    return "\n".join([*lines, *(f"- {name}: {why}" for name, why in report.notes.items())])


def _row(metric: MetricNoise) -> list[str]:
    parts = metric.components
    return [
        metric.name,
        f"{metric.mean:.4g}",
        f"{metric.low:.4g} to {metric.high:.4g}",
        f"{metric.sd:.3g} [{metric.sd_low:.3g}, {metric.sd_high:.3g}]",
        "" if parts is None else f"{parts.expected_sd:.3g}",
        "" if parts is None else f"{parts.icc:.2f} [{parts.icc_low:.2f}, {parts.icc_high:.2f}]",
        f"{metric.floor:.3g}",
    ]
