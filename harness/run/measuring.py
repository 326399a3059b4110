"""The generate phase of probes: carry out every planned measurement that isn't done yet."""

from __future__ import annotations

from collections.abc import Iterator

from harness.adapter import ModelAdapter
from harness.errors import BenchError
from harness.ledger import Answered
from harness.records import Outcome, Sample, Verdict
from harness.run.giving_up import FailureGuard
from harness.run.job import Job
from harness.run.judging import sound
from harness.run.serving import describe
from harness.run.tasks import PlannedTask
from harness.task import Probe, ProbeContext

__all__ = ["forget_unmeasured", "measure", "measure_one"]


def measure(job: Job, planned: PlannedTask, adapter: ModelAdapter) -> None:
    """Carry out the measurements of a probe that have no outcome yet, in their order.

    Args:
        job: The run.
        planned: An applicable probe whose samples are in the ledger.
        adapter: The model.

    Raises:
        RunFailedError: The first measurements all failed.
        RunInterruptedError: A stop was requested; everything finished is stored.
        LedgerError: Storage failed.
    """
    ledger, name = job.ledger, planned.name
    forget_unmeasured(job, name)
    counts = ledger.counts(name)
    if counts.judged == counts.total:
        return
    job.progress.start(name, "measuring", counts.total, counts.judged)
    guard = FailureGuard(name, job.settings.give_up_after, counts.judged)
    for pending in _pending(job, name):
        outcome = _measured(job, planned, adapter, pending.sample)
        ledger.add_outcome(pending.n, outcome)
        guard.note(outcome.reason if outcome.verdict is Verdict.ERRORED else None)
        _after(job, guard)
    ledger.commit()
    guard.check(last=True)
    job.progress.finish()


def forget_unmeasured(job: Job, name: str) -> None:
    """Drop what has to be measured again: absences, and failures if wanted."""
    job.ledger.forget_missing(name)
    if job.retry_errors:
        job.ledger.forget_failures(name)


def _pending(job: Job, name: str) -> Iterator[Answered]:
    after = None
    while page := job.ledger.unscored(name, after, job.settings.page):
        after = page[-1].n
        yield from page


def _measured(job: Job, planned: PlannedTask, adapter: ModelAdapter, sample: Sample) -> Outcome:
    probe = planned.task
    assert isinstance(probe, Probe)  # noqa: S101 -- the caller sorts tasks by kind
    context = ProbeContext(job.seed, planned.plan.limit, job.batch_size, job.ledger.folder)
    return measure_one(probe, adapter, sample, context)


def measure_one(
    probe: Probe, adapter: ModelAdapter, sample: Sample, context: ProbeContext
) -> Outcome:
    """Carry out one measurement; one that fails is `errored`, with its traceback."""
    try:
        return sound(probe.measure(adapter, sample, context))
    except Exception as error:  # noqa: BLE001 -- a failed measurement is a verdict, not a crash
        return Outcome(verdict=Verdict.ERRORED, reason=describe(error))


def _after(job: Job, guard: FailureGuard) -> None:
    job.ledger.commit_if_due()
    job.progress.advance(1)
    try:
        guard.check()
        job.interruption.check()
    except BenchError:
        job.ledger.commit()
        raise
