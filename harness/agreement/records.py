"""What two judges' verdicts on the same responses say about each other."""

from __future__ import annotations

from collections.abc import Mapping

from harness.compare import Difference, Skipped
from harness.records import Identity, Record, Verdict

__all__ = ["Agreement", "Disagreement", "JudgeSide", "TaskAgreement"]


class JudgeSide(Record, frozen=True, kw_only=True):
    """One of the two judges of a task."""

    scorer: Identity
    """What turned responses into scores."""

    judge: Identity | None
    """The network that it used, if any."""

    protocol_hash: str
    """The protocol of its verdicts."""


class Disagreement(Record, frozen=True, kw_only=True):
    """A sample that the judges see differently."""

    id: str
    """The sample's id."""

    k: int
    """Its repeat index."""

    category: str | None
    """Its category."""

    image: str | None
    """The picture, relative to the first run's folder."""

    first: Verdict
    """Verdict of the first judge."""

    second: Verdict
    """Verdict of the second judge."""

    first_reason: str
    """Reason of the first verdict."""

    second_reason: str
    """Reason of the second verdict."""


class TaskAgreement(Record, frozen=True, kw_only=True):
    """Agreement on one task."""

    task: str
    """Registry name of the task."""

    first: JudgeSide
    """The first judge."""

    second: JudgeSide
    """The second judge."""

    samples: int
    """Samples on which both gave a verdict."""

    clusters: int
    """Independent clusters among them."""

    unknown: int
    """Samples on which at least one gave none."""

    counts: Mapping[str, int]
    """How often each pair of verdicts occurred, as `ok/wrong`."""

    agreed: float | None
    """Share of samples with equal verdicts."""

    kappa: float | None
    """Cohen's kappa of the verdicts; `None` where both are constant."""

    kappa_low: float | None
    """Lower end of its 95% interval, clustered."""

    kappa_high: float | None
    """Upper end of its 95% interval, clustered."""

    differences: tuple[Difference, ...]
    """Second minus first for each metric, over the samples that both scored."""

    disagreements: tuple[Disagreement, ...]
    """All samples with differing verdicts, in order."""


class Agreement(Record, frozen=True, kw_only=True):
    """Two judges on the same responses."""

    first: str
    """Folder of the first judge's run."""

    second: str
    """Folder of the second judge's run."""

    tasks: tuple[TaskAgreement, ...]
    """Agreement by task, in order."""

    skipped: tuple[Skipped, ...] = ()
    """Tasks that can't be compared, and why."""
