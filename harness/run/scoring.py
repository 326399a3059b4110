"""The score phase and the count: from stored responses to verdicts and metrics, no model needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from harness.errors import BenchError, RunFailedError
from harness.ledger import Answered, ScoredView
from harness.records import TaskResult
from harness.run.ahead import chunks
from harness.run.following import Earlier
from harness.run.job import Job
from harness.run.judging import Unscored, after, judge, read
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
    if ledger.awaits_judge(name):  # a judge that has nothing to see isn't loaded
        make_ready(planned)
    job.progress.start(name, "scoring", counts.total, counts.judged)
    earlier = Earlier(ledger, planned.task)
    unscored = (after(earlier, item) for item in _readable(job, name))
    for page in chunks(unscored, job.settings.score_batch):
        for n, outcome in judge(planned.task, page):
            ledger.add_outcome(n, outcome)
        ledger.commit_if_due()
        job.progress.advance(len(page))
        _stop_if_asked(job)
    ledger.commit()
    job.progress.finish()


def _readable(job: Job, name: str) -> Iterator[Unscored]:
    """Unscored responses in order; pictures behind the current one are decoded by threads."""
    folder, decoded = job.ledger.folder, deque[Future[Unscored] | Unscored]()
    with ThreadPoolExecutor(job.settings.decoders, thread_name_prefix="decode") as pool:
        for item in _answered(job, name):
            pictured = item.response is not None and item.response.image_path is not None
            decoded.append(pool.submit(read, folder, item) if pictured else read(folder, item))
            if len(decoded) > job.settings.ahead:
                yield _done(decoded.popleft())
        while decoded:
            yield _done(decoded.popleft())


def _done(item: Future[Unscored] | Unscored) -> Unscored:
    return item.result() if isinstance(item, Future) else item


def _answered(job: Job, name: str) -> Iterator[Answered]:
    after = None
    while page := job.ledger.unscored(name, after, job.settings.page):
        after = page[-1].n
        yield from page


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
