"""How much a task's metrics differ between seeds."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import Protocol, Record

__all__ = ["NOISE_VERSION", "Components", "MetricNoise", "NoiseReport", "family"]

NOISE_VERSION = 1
"""Version of the file. A change that old readers can't read raises it and adds a step to
`harness.noise.store.MIGRATIONS`."""


class Components(Record, frozen=True, kw_only=True):
    """Variance of a cluster's mean score: between clusters, and between seeds within one."""

    between: float
    """Variance between clusters (how much prompts differ), in the score's unit squared."""

    within: float
    """Variance between seeds of one cluster."""

    icc: float
    """Intraclass correlation: the share that clusters explain; 1 if seeds change nothing."""

    icc_low: float
    """Lower end of its 95% interval."""

    icc_high: float
    """Upper end."""

    expected_sd: float
    """Standard deviation between seeds that `within` leads one to expect of the whole metric."""


class MetricNoise(Record, frozen=True, kw_only=True):
    """One metric over the seeds."""

    name: str
    """The metric's name."""

    values: tuple[float, ...]
    """The metric for each seed, in their order."""

    mean: float
    """Mean over the seeds."""

    sd: float
    """Standard deviation between seeds."""

    sd_low: float
    """Lower end of its 95% interval (chi-square)."""

    sd_high: float
    """Upper end."""

    low: float
    """Smallest value."""

    high: float
    """Largest value."""

    floor: float
    """Difference that two seeds of this model exceed with a chance of 5%: t sqrt(2) SD."""

    components: Components | None = None
    """Variance components of means; `None` for other metrics."""


class NoiseReport(Record, frozen=True, kw_only=True):
    """A task repeated over seeds; a gate's policy names its file."""

    task: str
    """Registry name of the task."""

    family: str
    """Hash of the protocol without its seed."""

    model: str
    """Name of the model."""

    weights_sha256: str | None
    """Hash of its weights."""

    seeds: tuple[int, ...]
    """The seeds."""

    runs: tuple[str, ...]
    """Run folders, relative to the file."""

    clusters: int
    """Clusters of each run."""

    metrics: tuple[MetricNoise, ...]
    """The task's metrics; those without a value in some run are left out."""

    notes: Mapping[str, str]
    """Metrics that are left out, and why."""

    schema_version: int = NOISE_VERSION
    """Version of this record."""

    def metric(self, name: str) -> MetricNoise | None:
        """The noise of one metric."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def family(protocol: Protocol) -> str:
    """Hash of a protocol without its seed: equal for runs that differ in the seed alone."""
    import msgspec

    return msgspec.structs.replace(protocol, seed=0).hash
