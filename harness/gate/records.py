"""What a gate says."""

from __future__ import annotations

from enum import StrEnum

from harness.compare.records import Side, Skipped
from harness.gate.policy import Policy
from harness.records import MetricSpec, Record

__all__ = ["Changed", "GateReport", "GateVerdict", "MetricVerdict", "Saving"]


class GateVerdict(StrEnum):
    """What a gate knows about one metric."""

    REGRESSED = "regressed"
    """It's worse, and a drop of the margin isn't excluded."""

    IMPROVED = "improved"
    """It's better."""

    EQUIVALENT = "equivalent within margin"
    """A drop of the margin or more is excluded."""

    UNDECIDED = "undecided"
    """Neither; more samples may tell."""

    UNJUDGED = "could not judge"
    """The two runs can't be compared in this metric."""


class Saving(Record, frozen=True, kw_only=True):
    """Where a sequential gate could have stopped."""

    verdict: GateVerdict
    """What it would have said there."""

    looked_at: int
    """Clusters that it needed; all of them if it stayed undecided."""

    clusters: int
    """Clusters there are."""

    saved: float
    """Share of the clusters that needn't have been run."""


class MetricVerdict(Record, frozen=True, kw_only=True):
    """One metric in the candidate and in the baseline."""

    task: str
    """Registry name of the task."""

    metric: MetricSpec
    """Definition of the metric, with the policy's direction."""

    primary: bool
    """Whether it's the task's primary metric."""

    verdict: GateVerdict
    """What is known."""

    fails: bool
    """Whether the gate fails because of it."""

    reason: str = ""
    """Why it couldn't be judged, or what a reader must know besides the numbers."""

    is_ratio: bool = False
    """Whether timings are compared: `difference` and its ends are then ratios, above 1 slower."""

    baseline: float | None = None
    """The metric of the baseline, over samples that have a score in both."""

    candidate: float | None = None
    """The metric of the candidate."""

    difference: float | None = None
    """Candidate minus baseline, in the metric's unit; or their ratio."""

    low: float | None = None
    """Lower end of its interval."""

    high: float | None = None
    """Upper end."""

    level: float | None = None
    """Coverage of the interval, 1 - 2 alpha."""

    method: str = ""
    """How the interval was computed."""

    margin: float | None = None
    """Largest drop that is tolerated, in the metric's unit; or the largest ratio."""

    raised_from: float | None = None
    """The policy's margin, where the floor is larger and stands in for it."""

    floor: float | None = None
    """Difference that two seeds of one model exceed with a chance of 5%, from a noise file."""

    p_value: float | None = None
    """Chance of a drop this large if the candidate isn't worse."""

    p_adjusted: float | None = None
    """The same adjusted for the number of metrics (Holm)."""

    detectable: float | None = None
    """Smallest true drop that this gate calls a regression with a chance of 80%."""

    n: int = 0
    """Paired samples, or clusters for metrics over clusters."""

    clusters: int = 0
    """Independent clusters among them."""

    unknown: int = 0
    """Samples left out because a run has no score for them."""

    bound_low: float | None = None
    """The difference if they scored lowest in the candidate and highest in the baseline."""

    bound_high: float | None = None
    """The difference the other way round."""

    saving: Saving | None = None
    """Where a sequential gate could have stopped, if that was asked."""

    saving_note: str = ""
    """Why there is no sequential form of this metric."""


class Changed(Record, frozen=True, kw_only=True):
    """A field of the fingerprint that differs between baseline and candidate."""

    field: str
    """Name of the field."""

    details: tuple[str, ...]
    """What differs in it, a line each."""

    fails: bool
    """Whether the policy wants it the same."""


class GateReport(Record, frozen=True, kw_only=True):
    """The verdicts on all metrics of a policy, and on the candidate."""

    baseline: Side
    """What is compared with."""

    candidate: Side
    """What is judged."""

    policy: Policy
    """The policy, with every default."""

    metrics: tuple[MetricVerdict, ...]
    """Verdicts in the order of the baseline's tasks."""

    changed: tuple[Changed, ...] = ()
    """What differs in the fingerprints."""

    ignored: tuple[Skipped, ...] = ()
    """Tasks that the policy doesn't gate, and why."""

    @property
    def exit_code(self) -> int:
        """0 if it passes, 1 if something fails, 2 if nothing fails but a metric wasn't judged."""
        if any(m.fails for m in self.metrics) or any(one.fails for one in self.changed):
            return 1
        unjudged = any(found.verdict is GateVerdict.UNJUDGED for found in self.metrics)
        return 2 if unjudged or not self.metrics else 0

    @property
    def outcome(self) -> str:
        """The exit code in a word."""
        return ("passed", "failed", "could not judge")[self.exit_code]
