"""The generate phase: ask the model about every sample that has no response yet."""

from __future__ import annotations

from collections.abc import Iterator

from harness.adapter import ModelAdapter
from harness.errors import BenchError
from harness.ledger import LedgerWriter, Pending
from harness.media import is_whole_png
from harness.run.absence import is_absence
from harness.run.asking import Ask, Asker
from harness.run.batches import Batcher, BatchSizes
from harness.run.giving_up import FailureGuard
from harness.run.job import Job
from harness.run.recording import Recorder
from harness.run.serving import describe, serve
from harness.run.tasks import PlannedTask

__all__ = ["generate"]


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
    _forget_unusable(job, planned)
    counts = job.ledger.counts(planned.name)
    if counts.answered == counts.total:
        return
    job.progress.start(planned.name, "asking the model about", counts.total, counts.answered)
    guard = FailureGuard(planned.name, job.settings.give_up_after, counts.succeeded)
    with Recorder(job.ledger, planned.name, adapter.card.name, job.settings) as recorder:
        _Generation(
            job=job,
            planned=planned,
            adapter=adapter,
            sizes=sizes,
            recorder=recorder,
            guard=guard,
        ).run()
    job.progress.finish()


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
    ) -> None:
        self._job = job
        self._name = planned.name
        self._adapter = adapter
        self._sizes = sizes
        self._recorder = recorder
        self._guard = guard
        self._ask = Asker(planned.task, adapter, job.seed)
        self._batcher = Batcher(sizes, job.settings)

    def run(self) -> None:
        for pending in self._pending():
            ask = self._made(pending)
            batch = None if ask is None else self._batcher.add(ask)
            if batch:
                self._serve(batch)
        for batch in self._batcher.drain():
            self._serve(batch)
        self._recorder.settle()
        self._guard.check(last=True)

    def _pending(self) -> Iterator[Pending]:
        ledger, settings, after = self._job.ledger, self._job.settings, None
        while page := ledger.pending(self._name, after, settings.page):
            after = page[-1].n
            yield from settings.rearrange(page)

    def _made(self, pending: Pending) -> Ask | None:
        try:
            return self._ask(pending)
        except Exception as error:  # noqa: BLE001 -- broken data of one sample is its verdict
            text = describe(error)
        self._recorder.fail(pending.n, text)
        self._guard.note(text)
        self._after(1)
        return None

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


def _forget_unusable(job: Job, planned: PlannedTask) -> None:
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
