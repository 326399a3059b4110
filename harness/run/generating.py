"""The generate phase: ask the model about every sample that has no response yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from harness.adapter import ModelAdapter
from harness.errors import BenchError, NoResponseError
from harness.ledger import LedgerWriter, Pending
from harness.media import is_whole_png
from harness.records import Response, Sample
from harness.run.absence import is_absence, marked
from harness.run.ahead import EarlyScores, in_advance, task_thread
from harness.run.asking import Ask, Asked, addressed, ask
from harness.run.batches import Batcher, BatchSizes
from harness.run.following import Earlier, follows
from harness.run.giving_up import FailureGuard
from harness.run.job import Job
from harness.run.recording import Recorder
from harness.run.serving import describe, serve
from harness.run.tasks import PlannedTask
from harness.task import FollowUpTask

__all__ = ["earlier_or_why", "forget_unusable", "generate"]


def generate(job: Job, planned: PlannedTask, adapter: ModelAdapter, sizes: BatchSizes) -> None:
    """Ask the model about every sample of a task that has neither response nor error.

    Responses whose picture is gone or truncated are dropped first, so those samples are asked
    again; being functions of their seeds, they come out the same.

    Args:
        job: The run.
        planned: An applicable task whose samples are in the ledger.
        adapter: The model.
        sizes: Batch sizes, remembered across tasks.

    Raises:
        RunFailedError: The first attempts all failed.
        RunInterruptedError: A stop was requested; everything finished is stored.
        LedgerError: Storage failed.
    """
    forget_unusable(job, planned)
    counts = job.ledger.counts(planned.name)
    if counts.answered == counts.total:
        return
    job.progress.start(planned.name, "asking the model about", counts.total, counts.answered)
    guard = FailureGuard(planned.name, job.settings.give_up_after, counts.succeeded)
    with (
        task_thread() as pool,
        Recorder(job.ledger, planned.name, adapter.card.name, job.settings) as recorder,
    ):
        if job.settings.early_scores:
            recorder.scores = EarlyScores(planned, job.ledger, pool, job.settings.ahead)
        _Generation(
            job=job,
            planned=planned,
            adapter=adapter,
            sizes=sizes,
            recorder=recorder,
            guard=guard,
            pool=pool,
        ).run()
    job.progress.finish()


class _Item(NamedTuple):
    pending: Pending
    earlier: Response | str | None  # why there is none, of a sample that follows another


class _Made(NamedTuple):
    pending: Pending
    asked: Asked | str  # a traceback if the task failed


class _Generation:
    """The loop of one task; see `generate`."""

    def __init__(
        self,
        *,
        job: Job,
        planned: PlannedTask,
        adapter: ModelAdapter,
        sizes: BatchSizes,
        recorder: Recorder,
        guard: FailureGuard,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._job = job
        self._name = planned.name
        self._adapter = adapter
        self._sizes = sizes
        self._recorder = recorder
        self._guard = guard
        self._task = planned.task
        self._pool = pool
        self._batcher = Batcher(sizes, job.settings)

    def run(self) -> None:
        self._pass(following=False)
        if isinstance(self._task, FollowUpTask):  # what they follow is in the ledger by now
            self._pass(following=True)
        self._guard.check(last=True)

    def _pass(self, *, following: bool) -> None:
        ahead = self._job.settings.ahead
        for made in in_advance(self._pool, self._make, self._items(following=following), ahead):
            ask = self._taken(made)
            batch = None if ask is None else self._batcher.add(ask)
            if batch:
                self._serve(batch)
        for batch in self._batcher.drain():
            self._serve(batch)
        self._recorder.settle()

    def _items(self, *, following: bool) -> Iterator[_Item]:
        earlier = Earlier(self._job.ledger, self._task)
        for page in self._pages():
            for pending, key in zip(page, self._followed(page), strict=True):
                if (key is not None) is following:
                    yield _Item(pending, _or_why(partial(earlier.response, key)))

    def _pages(self) -> Iterator[Sequence[Pending]]:
        ledger, settings, after = self._job.ledger, self._job.settings, None
        while page := ledger.pending(self._name, after, settings.page):
            after = page[-1].n
            yield settings.rearrange(page)

    def _followed(self, page: Sequence[Pending]) -> list[tuple[str, int] | None]:
        """What samples follow; asked in the task's thread, which may be busy with requests."""
        if not isinstance(self._task, FollowUpTask):
            return [None] * len(page)
        return self._pool.submit(lambda: [follows(self._task, p.sample) for p in page]).result()

    def _make(self, page: list[_Item]) -> list[_Made]:
        """Requests of some samples; called in the task's thread."""
        return [_Made(item.pending, self._asked(item)) for item in page]

    def _asked(self, item: _Item) -> Asked | str:
        if isinstance(item.earlier, str):
            return item.earlier
        try:
            return ask(self._task, item.pending.sample, self._job.seed, item.earlier)
        except Exception as error:  # noqa: BLE001 -- broken data of one sample is its verdict
            return describe(error)

    def _taken(self, made: _Made) -> Ask | None:
        ask = self._addressed(made)
        if isinstance(ask, Ask):
            return ask
        self._recorder.fail(made.pending.n, ask)
        if not is_absence(ask):
            self._guard.note(ask)
        self._after(1)
        return None

    def _addressed(self, made: _Made) -> Ask | str:
        if not isinstance(made.asked, Asked):
            return made.asked
        try:
            return addressed(self._adapter, self._name, made.pending, made.asked)
        except Exception as error:  # noqa: BLE001 -- as above
            return describe(error)

    def _serve(self, batch: list[Ask]) -> None:
        for served in serve(self._adapter, batch, self._sizes):
            self._recorder.record(served)
            if not is_absence(served.error):
                self._guard.note(served.error)
        self._after(len(batch))

    def _after(self, finished: int) -> None:
        self._recorder.commit_if_due()
        self._job.progress.advance(finished)
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        try:
            self._guard.check()
            self._job.interruption.check()
        except BenchError:
            self._recorder.settle()
            raise


def earlier_or_why(earlier: Earlier, sample: Sample) -> Response | str | None:
    """The response that a sample follows, or why there is none."""
    return _or_why(partial(earlier, sample))


def _or_why(read: Callable[[], Response | None]) -> Response | str | None:
    try:
        return read()
    except NoResponseError as error:
        return marked(error)
    except Exception as error:  # noqa: BLE001 -- what the task says of one sample is its verdict
        return describe(error)


def forget_unusable(job: Job, planned: PlannedTask) -> None:
    """Drop what has to be asked again: absences, failures if wanted, and pictures that are gone."""
    ledger, name = job.ledger, planned.name
    ledger.forget_missing(name)
    if job.retry_errors:
        ledger.forget_failures(name)
    gone = _broken_pictures(ledger, name)
    if gone:
        job.progress.message(f"{name}: {len(gone)} pictures are gone or truncated; drawn again")
        ledger.forget_pictures(gone)


def _broken_pictures(ledger: LedgerWriter, task: str) -> list[int]:
    return [n for n, path in ledger.pictures(task) if not is_whole_png(ledger.folder / path)]
