"""What the driver does with the work of its pools: everything ends in the run's one ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.engines.queue import ShardQueue
from harness.engines.shards import Shard
from harness.engines.wire import (
    Earlier,
    Report,
    Row,
    WorkerHello,
    as_array,
    decode_hello,
    pack_answered,
    pack_earlier,
    pack_pending,
)
from harness.errors import RunFailedError
from harness.ledger import Answered, Pending
from harness.ledger.faults import explained
from harness.ledger.rows import outcome_from, response_from
from harness.media import write_bytes
from harness.records import Outcome, Verdict
from harness.run import following as responses
from harness.run.absence import failure_outcome, is_absence
from harness.run.folder import differences
from harness.run.generating import earlier_or_why
from harness.run.giving_up import FailureGuard
from harness.run.job import Job
from harness.run.local import given_up
from harness.run.tasks import PlannedTask
from harness.task import FollowUpTask, Probe

__all__ = ["Judged", "Stored", "same_model", "title_of"]


def same_model(first: WorkerHello, hello: bytes) -> str:
    """Why a worker can't stand beside the first one; empty if it can."""
    other = decode_hello(hello)
    changed = differences(first.fingerprint, other.fingerprint)
    if not changed:
        return ""
    return "its model isn't that of the first worker ('there'):\n" + "\n".join(changed)


def title_of(tasks: Iterable[PlannedTask]) -> str:
    """What a progress bar calls tasks that are worked on together."""
    names = [task.name for task in tasks]
    return names[0] if len(names) == 1 else f"{len(names)} tasks"


class Judged:
    """Keeper of the judges: hands them responses as they come and stores verdicts.

    Args:
        job: The run.
        tasks: Tasks with a detector or judge, by name.
        queue: Where shards of responses go.
    """

    def __init__(self, job: Job, tasks: Mapping[str, PlannedTask], queue: ShardQueue) -> None:
        self._job = job
        self._tasks = tasks
        self._queue = queue
        self._gathered: dict[str, list[int]] = {name: [] for name in tasks}
        self.shown = False

    def resume(self) -> None:
        """Take up the responses that an earlier run left without a verdict."""
        for name in self._tasks:
            after = None
            while page := self._job.ledger.unscored(name, after, self._job.settings.page):
                after = page[-1].n
                for item in page:
                    self._take(name, item)

    def offer(self, task: str, row: int) -> None:
        """A response was stored that is to be judged."""
        gathered = self._gathered.get(task)
        if gathered is None:
            return
        gathered.append(row)
        if len(gathered) >= self._job.settings.score_batch:
            self._send_on(task)

    def failed(self, task: str, row: int, error: str) -> None:
        """The model failed on a sample, so that no judge is needed."""
        if task in self._tasks:
            self._job.ledger.add_outcome(row, failure_outcome(error))

    def flush(self) -> None:
        """Hand on what was gathered, although it isn't many."""
        for task in self._gathered:
            self._send_on(task)

    def title(self) -> str:
        """What a progress bar calls them."""
        return title_of(self._tasks.values())

    def left(self) -> tuple[int, int]:
        """Responses of judged tasks, and those of them that have a verdict."""
        counts = [self._job.ledger.counts(name) for name in self._tasks]
        return sum(count.answered for count in counts), sum(count.judged for count in counts)

    def welcome(self, hello: bytes) -> str:  # noqa: ARG002 -- it's ready, and has nothing to say
        """Take every worker that is ready."""
        return ""

    def pack(self, shard: Shard) -> tuple[str, list[Row], dict[str, object]]:
        """Responses of a shard with their pictures; pictures that are gone end as `missing`."""
        self._job.ledger.commit()
        answered = self._job.ledger.answered_at(shard.rows)
        pictures: dict[str, object] = {}
        for item in answered:
            path = item.response.image_path if item.response else None
            if path is not None:
                pictures[path] = as_array(self._bytes(path))
        return shard.task, pack_answered(answered), pictures

    def keep(self, reports: Sequence[Report]) -> None:
        """Store verdicts."""
        for report in reports:
            self._job.ledger.add_outcome(report.n, outcome_from(report.outcome or ()))
        self._after(len(reports))

    def give_up(self, rows: Sequence[int], reason: str) -> None:
        """Record that no judge survives these responses."""
        text = f"{self._queue.losses(rows[0])} judges were lost with this response: {reason}"
        for n in rows:
            self._job.ledger.add_outcome(n, Outcome(verdict=Verdict.JUDGE_FAILED, reason=text))
        self._after(len(rows))

    def _take(self, task: str, item: Answered) -> None:
        if item.response is not None:
            self.offer(task, item.n)
        elif item.error is not None:
            self.failed(task, item.n, item.error)

    def _send_on(self, task: str) -> None:
        if self._gathered[task]:
            self._queue.add([Shard(task, tuple(self._gathered[task]))])
            self._gathered[task].clear()

    def _bytes(self, path: str) -> bytes:
        try:
            return (self._job.ledger.folder / path).read_bytes()
        except OSError:
            return b""  # no PNG: the judge says so, as the local engine would

    def _after(self, count: int) -> None:
        self._job.ledger.commit_if_due()
        if self.shown:
            self._job.progress.advance(count)


class Stored:
    """Keeper of the workers with a model: stores responses, and offers them to the judges.

    Args:
        job: The run.
        tasks: Tasks that are asked about, by name.
        queue: Their shards.
        judged: Who takes the responses on.
        first: What the first worker said about itself.
    """

    def __init__(
        self,
        job: Job,
        tasks: Mapping[str, PlannedTask],
        queue: ShardQueue,
        judged: Judged,
        first: WorkerHello,
    ) -> None:
        self._job = job
        self._tasks = tasks
        self._queue = queue
        self._judged = judged
        self._first = first
        self._task_of: dict[int, str] = {}
        self._guards = {name: self._guard(name) for name in tasks}
        self.failures: list[RunFailedError] = []

    def welcome(self, hello: bytes) -> str:
        """Refuse a worker whose model is another one."""
        return same_model(self._first, hello)

    @property
    def given_up(self) -> set[str]:
        """Tasks that were given up."""
        return self._tasks.keys() - self._guards.keys()

    def pack(self, shard: Shard) -> tuple[str, list[Row], list[Earlier]]:
        """Samples of a shard, with the responses that they follow."""
        self._task_of.update(dict.fromkeys(shard.rows, shard.task))
        pending = self._job.ledger.samples_at(shard.rows)
        return shard.task, pack_pending(pending), self._earlier(shard.task, pending)

    def _earlier(self, name: str, pending: Sequence[Pending]) -> list[Earlier]:
        task = self._tasks[name].task
        if not isinstance(task, FollowUpTask):
            return []
        read = responses.Earlier(self._job.ledger, task)
        return [pack_earlier(earlier_or_why(read, sample)) for _, sample in pending]

    def keep(self, reports: Sequence[Report]) -> None:
        """Store responses, errors and measurements; a picture is on disk before its row."""
        for report in reports:
            self._store(self._task_of.pop(report.n), report)
        self._job.ledger.commit_if_due()
        self._job.progress.advance(len(reports))
        self._check(last=False)

    def give_up(self, rows: Sequence[int], reason: str) -> None:
        """Record that no worker survives these samples."""
        text = f"{self._queue.losses(rows[0])} workers were lost with this sample: {reason}"
        self.keep([Report(n, error=text) for n in rows])

    def finish(self) -> None:
        """Everything that could be asked was asked; tasks without any success are given up."""
        self._check(last=True)

    def _guard(self, name: str) -> FailureGuard:
        counts = self._job.ledger.counts(name)
        probe = isinstance(self._tasks[name].task, Probe)
        earlier = counts.judged if probe else counts.succeeded
        return FailureGuard(name, self._job.settings.give_up_after, earlier)

    def _store(self, task: str, report: Report) -> None:
        error = report.error
        if report.outcome is not None:
            error = self._measured(report.n, outcome_from(report.outcome))
        elif report.response is not None:
            self._answered(task, report, report.response)
        elif isinstance(self._tasks[task].task, Probe):
            self._measured(report.n, failure_outcome(error or ""))
        else:
            self._failed(task, report, error or "")
        guard = self._guards.get(task)
        if guard is not None and not is_absence(error):
            guard.note(error)

    def _measured(self, row: int, outcome: Outcome) -> str | None:
        self._job.ledger.add_outcome(row, outcome)
        return outcome.reason if outcome.verdict is Verdict.ERRORED else None

    def _answered(self, task: str, report: Report, row: Row) -> None:
        response = response_from(row)
        if response.image_path is not None and report.picture is not None:
            self._write(self._job.ledger.folder / response.image_path, report.picture.tobytes())
        self._job.ledger.add_response(report.n, report.digest, report.prompt, response)
        self._judged.offer(task, report.n)

    def _failed(self, task: str, report: Report, error: str) -> None:
        self._job.ledger.add_error(report.n, report.digest, report.prompt, error)
        self._judged.failed(task, report.n, error)

    def _write(self, path: Path, data: bytes) -> None:
        with explained(self._job.ledger.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data, durable=False)

    def _check(self, *, last: bool) -> None:
        for name in list(self._guards):
            try:
                self._guards[name].check(last=last)
            except RunFailedError as error:
                del self._guards[name]
                self._drop(name, error)

    def _drop(self, task: str, error: RunFailedError) -> None:
        self._queue.drop(task)
        self._job.progress.message(given_up(task, error))
        self.failures.append(error)
