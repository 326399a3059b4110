"""The policy of a gate: what is judged, and how large a drop is too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from harness.records import Direction, MetricSpec, Record

__all__ = ["DEFAULT_POLICY", "Margin", "MetricRule", "Policy", "Seeds", "Undecided"]


class Undecided(StrEnum):
    """What an undecided metric does to the gate."""

    PASS = "pass"  # noqa: S105 -- no password
    """It passes, and the report says what could have been seen."""

    FAIL = "fail"
    """It fails: what can't be cleared doesn't go through."""


class Seeds(StrEnum):
    """Which seeds may be compared."""

    SAME = "same"
    """Both runs have one protocol, seed included."""

    ANY = "any"
    """Protocols may differ in the seed; samples are still paired by prompt."""


class Margin(Record, frozen=True, kw_only=True):
    """Largest drop that is tolerated."""

    amount: float
    """Positive; in the metric's unit, or a fraction of `of` if `relative`."""

    relative: bool
    """Whether it's a part of the metric's range, or of the baseline's value if there's no range."""

    def absolute(self, metric: MetricSpec, baseline: float) -> float:
        """The margin in the metric's unit."""
        if not self.relative:
            return self.amount
        bounded = metric.low is not None and metric.high is not None
        whole = metric.high - metric.low if bounded else abs(baseline)  # type: ignore[operator]
        return self.amount * whole


class MetricRule(Record, frozen=True, kw_only=True):
    """How one metric is judged; what is `None` is as the policy says."""

    margin: float | str | None = None
    """Largest drop that is tolerated: a number in the metric's unit, or a percentage of its range
    (of the baseline's value where it has none), as `3%`."""

    ratio: float | None = None
    """Makes it a ratio of timings: how many times as long the candidate may take, as 1.1."""

    alpha: float | None = None
    """Chance of calling a metric regressed that isn't, and of clearing one that is."""

    direction: Direction | None = None
    """Which way is better; `None` is as the task says."""

    undecided: Undecided | None = None
    """What an undecided verdict does."""

    minimum_n: int | None = None
    """Fewest samples to judge by."""

    unknown: float | None = None
    """Largest share of samples without a score."""


class Policy(Record, frozen=True, kw_only=True):
    """A gate's policy; without one, every task's primary metric may drop by 3%."""

    margin: float | str = "3%"
    """As `MetricRule.margin`."""

    alpha: float = 0.05
    """As `MetricRule.alpha`."""

    holm: bool = True
    """Whether the chance of any false alarm is kept below alpha, over all metrics together."""

    undecided: Undecided = Undecided.PASS
    """As `MetricRule.undecided`."""

    minimum_n: int = 0
    """As `MetricRule.minimum_n`."""

    unknown: float = 0.0
    """As `MetricRule.unknown`."""

    seeds: Seeds = Seeds.SAME
    """Which seeds may be compared."""

    noise: str | tuple[str, ...] = ()
    """Files of `cheers-bench noise`, relative to the policy's: a drop that two seeds of one model
    show by chance is no regression."""

    same: tuple[str, ...] = ()
    """Fields of the fingerprint in which the candidate must equal the baseline, as `defaults` or
    `weights_sha256`: a change that no score shows may still be one that nobody meant."""

    hours: float = 24.0
    """Most hours between two runs whose timings are compared."""

    tasks: Mapping[str, Mapping[str, MetricRule] | None] = msgspec.field(default_factory=dict)
    """Metrics by task; a task without metrics is its primary one. Empty is all primary metrics that
    aren't timings."""

    def rules(self, task: str, primary: str) -> Iterator[tuple[str, MetricRule]]:
        """The metrics of a task with their rules, every field filled but `ratio`, `direction`."""
        for name, rule in (self.tasks.get(task) or {primary: MetricRule()}).items():
            yield name, self._filled(rule)

    def _filled(self, rule: MetricRule) -> MetricRule:
        shared = ("margin", "alpha", "undecided", "minimum_n", "unknown")
        missing = {name: getattr(self, name) for name in shared if getattr(rule, name) is None}
        return msgspec.structs.replace(rule, **missing)


DEFAULT_POLICY = Policy()
"""The policy where none is given."""
