"""What a comparison of two runs says."""

from __future__ import annotations

from enum import StrEnum

from harness.records import Fingerprint, MetricSpec, Record, Verdict

__all__ = ["Change", "Comparison", "Difference", "Flip", "Side", "Skipped"]


class Change(StrEnum):
    """What a difference means."""

    BETTER = "better"
    """The second run is better; chance explains it with less than 5%."""

    WORSE = "worse"
    """The second run is worse; chance explains it with less than 5%."""

    UNCLEAR = "unclear"
    """Chance explains the difference, or there is none; see what could have been detected."""

    UNJUDGED = "unjudged"
    """Timings of two machines; see `Comparison.timings`."""

    UNKNOWN = "unknown"
    """There are too few samples with a score in both runs."""


class Side(Record, frozen=True, kw_only=True):
    """One of the two runs."""

    label: str
    """Its name in tables."""

    folder: str
    """Run folder or baseline."""

    fingerprint: Fingerprint
    """What exactly produced its numbers."""


class Difference(Record, frozen=True, kw_only=True):
    """Second minus first in one metric, over the samples that have a score in both."""

    task: str
    """Registry name of the task."""

    metric: MetricSpec
    """Definition of the metric."""

    primary: bool
    """Whether it's the task's primary metric; only these are adjusted for one another."""

    protocol_hash: str
    """The protocol that both runs carry."""

    change: Change
    """What it means at 5%: of primary metrics after adjusting for the number of tasks, of others
    and of quantiles without."""

    first: float | None = None
    """The metric of the first run over the paired samples."""

    second: float | None = None
    """The metric of the second run over the paired samples."""

    difference: float | None = None
    """Second minus first."""

    low: float | None = None
    """Lower end of the difference's 95% interval."""

    high: float | None = None
    """Upper end of the difference's 95% interval."""

    method: str = ""
    """How the interval was computed."""

    p_value: float | None = None
    """Chance of a difference this large between models that are alike."""

    p_method: str = ""
    """The test behind it."""

    p_adjusted: float | None = None
    """The same adjusted for the number of tasks (Holm); primary metrics only."""

    detectable: float | None = None
    """Smallest true difference that this comparison finds with a chance of 80%; of a primary metric
    after adjusting for the number of tasks."""

    standardised: float | None = None
    """Effect size: mean difference over the standard deviation of differences (Cohen's d_z)."""

    n: int = 0
    """Paired samples, or clusters for metrics over clusters."""

    clusters: int = 0
    """Independent clusters among them."""

    unknown: int = 0
    """Samples left out because a run has no score for them."""

    bound_low: float | None = None
    """The difference if unknown samples scored lowest in the second run, highest in the first."""

    bound_high: float | None = None
    """The difference the other way round. Both are `None` if no sample is unknown or scores are
    unbounded."""

    only_first: int = 0
    """Paired samples with the higher score in the first run."""

    only_second: int = 0
    """Paired samples with the higher score in the second run."""

    category: str = ""
    """The category that it's about; empty for the whole metric."""


class Flip(Record, frozen=True, kw_only=True):
    """A sample that ended differently."""

    task: str
    """Registry name of the task."""

    id: str
    """The sample's id."""

    k: int
    """Its repeat index."""

    category: str | None
    """Its category."""

    first: Verdict
    """Verdict in the first run."""

    second: Verdict
    """Verdict in the second run."""

    first_reason: str
    """Reason of the first verdict."""

    second_reason: str
    """Reason of the second verdict."""


class Skipped(Record, frozen=True, kw_only=True):
    """A task that can't be compared."""

    task: str
    """Registry name of the task."""

    reason: str
    """Why not."""


class Comparison(Record, frozen=True, kw_only=True):
    """Two runs, sample by sample."""

    first: Side
    """The run that differences are taken from."""

    second: Side
    """The run that is judged."""

    differences: tuple[Difference, ...]
    """All metrics of all comparable tasks, in order."""

    flips: tuple[Flip, ...]
    """Samples whose verdicts differ, in order."""

    categories: tuple[Difference, ...] = ()
    """Each task's primary metric by category; p adjusted for the task's categories (Holm)."""

    skipped: tuple[Skipped, ...] = ()
    """Tasks without comparison."""

    timings: str = ""
    """Why timings stand without p-value and verdict; empty if they have them, or there are none."""

    level: float = 0.95
    """Coverage of the intervals."""
