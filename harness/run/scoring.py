"""The score phase and the count: from stored responses to verdicts and metrics, no model needed."""

from __future__ import annotations

from harness.errors import BenchError, RunFailedError
from harness.ledger import ScoredView
from harness.records import TaskResult
from harness.run.job import Job
from harness.run.judging import judge
from harness.run.serving import describe
from harness.run.tasks import PlannedTask

__all__ = ["count", "make_ready", "score"]


def score(job: Job, planned: PlannedTask) -> None:
    """Give an outcome to every sample of a task that has none.

    Raises:
        RunFailedError: The task's judges can't be made ready.
        RunInterruptedError: A stop was requested; everything scored is stored.
        LedgerError: Storage failed.
    """
    ledger, name = job.ledger, planned.name
    counts = ledger.counts(name)
    if counts.judged == counts.total:
        return
    make_ready(planned)
    job.progress.start(name, "scoring", counts.total, counts.judged)
    after = None
    while page := ledger.unscored(name, after, job.settings.score_batch):
        after = page[-1].n
        for n, outcome in judge(planned.task, ledger.folder, page):
            ledger.add_outcome(n, outcome)
        ledger.commit_if_due()
        job.progress.advance(len(page))
        _stop_if_asked(job)
    ledger.commit()
    job.progress.finish()


def count(job: Job, planned: PlannedTask) -> TaskResult:
    """Turn a task's outcomes into its result, and store it.

    Raises:
        RunFailedError: The task's own aggregation failed.
        LedgerError: Storage failed.
    """
    scored = ScoredView(job.ledger, planned.name)
    try:
        result = planned.task.aggregate(scored, planned.plan.protocol)
    except BenchError:
        raise
    except Exception as error:
        raise RunFailedError(
            f"task {planned.name!r} failed to aggregate its scores:\n{describe(error)}",
            "fix the task, then `cheers-bench score` on the folder; no response is lost",
        ) from error
    job.ledger.add_result(result)
    return result


def make_ready(planned: PlannedTask) -> None:
    """Have a task load its judges.

    Raises:
        BenchError: They can't be loaded, or aren't what the protocol says.
    """
    try:
        planned.task.prepare()
    except BenchError:
        raise
    except Exception as error:
        raise RunFailedError(
            f"task {planned.name!r} can't be scored:\n{describe(error)}",
            "fix the cause, then `cheers-bench score` on the folder; no response is lost",
        ) from error


def _stop_if_asked(job: Job) -> None:
    try:
        job.interruption.check()
    except BenchError:
        job.ledger.commit()
        raise
