"""What two runs of one model through two backends say about each other."""

from __future__ import annotations

from enum import StrEnum

from harness.compare import Difference, Side, Skipped
from harness.conformance import Tolerance
from harness.records import MetricSpec, MetricValue, Record

__all__ = ["Apart", "Measure", "Parity", "TaskParity", "Weights"]


class Weights(StrEnum):
    """Whether the two runs are of the same weights."""

    EQUAL = "equal"
    """Both hashes are known and equal."""

    DIFFERENT = "different"
    """Both are known and differ: not a comparison of backends alone."""

    UNKNOWN = "unknown"
    """A backend, such as an endpoint, doesn't say."""


class Measure(Record, frozen=True, kw_only=True):
    """One quantity over the samples to which both backends responded."""

    metric: MetricSpec
    """What it is."""

    value: MetricValue
    """Its value with a clustered 95% interval."""

    largest: float | None = None
    """The largest value of a sample, where the quantity is a distance."""

    sample: str = ""
    """That sample, `id#k`."""


class Apart(Record, frozen=True, kw_only=True):
    """A sample with two responses that differ beyond the tolerance."""

    id: str
    """The sample's id."""

    k: int
    """Its repeat index."""

    category: str | None
    """Its category."""

    said: str
    """In what the responses differ."""

    same_verdict: bool
    """Whether it ended alike all the same."""


class TaskParity(Record, frozen=True, kw_only=True):
    """Parity on one task."""

    task: str
    """Registry name of the task."""

    protocol_hash: str
    """The protocol that both runs carry."""

    samples: int
    """Samples to which both backends responded."""

    only_first: int
    """Samples to which only the first responded."""

    only_second: int
    """Samples to which only the second responded."""

    neither: int
    """Samples to which neither responded."""

    measures: tuple[Measure, ...]
    """What was compared; `agreed`, the share of equal responses, is the first."""

    differences: tuple[Difference, ...]
    """Second minus first for each metric, over the samples that both scored."""

    apart: tuple[Apart, ...]
    """All samples that differ beyond the tolerance, in order."""

    @property
    def agreed(self) -> float | None:
        """Share of responses that are equal within the tolerance; `None` without any."""
        return self.measures[0].value.value


class Parity(Record, frozen=True, kw_only=True):
    """Two backends, response by response."""

    first: Side
    """The run that differences are taken from."""

    second: Side
    """The other run."""

    weights: Weights
    """Whether they are of the same weights."""

    tolerance: Tolerance
    """When two responses count as equal."""

    tasks: tuple[TaskParity, ...]
    """Parity by task, in order."""

    skipped: tuple[Skipped, ...] = ()
    """Tasks that can't be compared, and why."""
