"""A run over many workers: one driver, one ledger, two pools that work at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.engines.driving import drive
from harness.engines.fleet import Fleet
from harness.engines.forecast import choose_cut
from harness.engines.keeping import Judged, Stored, same_model, title_of
from harness.engines.pool import Keeper, Pool
from harness.engines.queue import ShardQueue
from harness.engines.service import service_of
from harness.engines.shards import Rows, Shard, cut
from harness.engines.wire import Setup, TaskSetup, WorkerHello, decode_hello, encode
from harness.environment import capture
from harness.errors import RunFailedError, RunInterruptedError
from harness.ledger import Ledger, is_run_folder
from harness.records import Fingerprint, ModelCard
from harness.run.generating import forget_unusable
from harness.run.job import Job
from harness.run.measuring import forget_unmeasured
from harness.run.tasks import PlannedTask
from harness.runspec import RunSpec
from harness.task import FollowUpTask, Probe

__all__ = ["JUDGE", "WORKER", "DistributedSession", "judged_tasks", "setup_of"]

WORKER = "worker"
"""Role of the actors that hold a replica of the model."""

JUDGE = "judge"
"""Role of the actors that judge."""

_ROOM_TO_STOP = 60.0  # seconds that batches in flight have to end after Ctrl-C


def setup_of(spec: RunSpec, tasks: Sequence[PlannedTask]) -> bytes:
    """What workers are given of a run, encoded.

    Args:
        spec: The run.
        tasks: Those of its tasks that the workers deal with.
    """
    ours = {k: v for k, v in os.environ.items() if k.startswith("CHEERS_BENCH_")}
    return encode(
        Setup(
            model=spec.model,
            tasks={t.name: TaskSetup(options=t.task.options, limit=t.plan.limit) for t in tasks},
            seed=spec.seed,
            batch_size=spec.batch_size,
            folder=str(Path.cwd()),
            variables=ours,
            environment=capture(),
        )
    )


def judged_tasks(spec: RunSpec, tasks: Sequence[PlannedTask]) -> list[PlannedTask]:
    """Tasks whose responses go to judging actors: those with a detector or judge.

    Where samples follow others, the driver scores: a verdict may need both responses.
    """
    if not spec.engine.judges:
        return []
    return [
        task
        for task in tasks
        if task.plan.protocol.judge is not None and not isinstance(task.task, FollowUpTask)
    ]


class _Waiting:
    """Keeper of the workers until a run is known: takes the first one's word."""

    def __init__(self) -> None:
        self.first: WorkerHello | None = None

    def welcome(self, hello: bytes) -> str:
        if self.first is None:
            self.first = decode_hello(hello)
        return same_model(self.first, hello)

    def pack(self, shard: Shard) -> Shard:
        raise AssertionError(shard)  # there are no shards yet

    def keep(self, reports: Sequence[object]) -> None:
        raise AssertionError(reports)

    def give_up(self, rows: Sequence[int], reason: str) -> None:
        raise AssertionError(rows, reason)


class DistributedSession:
    """The model as replicas in a fleet's workers; see `Session`.

    Args:
        spec: The run.
        tasks: Its tasks.
        fleet: What starts and reaches the workers.
        workers: Replicas at most.
        say: Told what a user should know until the run's own progress begins.

    Raises:
        RunFailedError: No replica could be started.
    """

    def __init__(
        self,
        spec: RunSpec,
        tasks: Sequence[PlannedTask],
        fleet: Fleet,
        workers: int,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._spec = spec
        self._fleet = fleet
        self._wanted = workers
        self._say = say
        alike = {task.name for task in tasks if not isinstance(task.task, Probe)}
        lendable = alike if spec.engine.copies else set[str]()
        self._queue = ShardQueue(spec.engine.attempts, lendable)
        self._pool = self._make_pool(WORKER, workers, self._queue, _Waiting())
        self._judges: Pool | None = None
        self._hello = self._first_hello(1 if _nothing_left(spec, tasks) else workers)

    @property
    def card(self) -> ModelCard:
        """The card that the first worker stated."""
        return self._hello.card

    def fingerprint(self) -> Fingerprint:
        """The fingerprint that the first worker stated; the others' must equal it."""
        return self._hello.fingerprint

    def ask(self, job: Job, able: Sequence[PlannedTask]) -> list[RunFailedError]:
        """Generate in all workers and judge meanwhile; see `Session.ask`."""
        self._say = job.progress.message
        for task in able:
            if isinstance(task.task, Probe):
                forget_unmeasured(job, task.name)
            else:
                forget_unusable(job, task)
        judged, judging = self._judging(job, judged_tasks(self._spec, able))
        stored = Stored(job, {t.name: t for t in able}, self._queue, judged, self._hello)
        self._pool.keeper = stored
        self._generate(job, able, stored, judging)
        judged.flush()
        stored.finish()
        self._finish_judging(job, judged, judging)
        job.ledger.commit()
        return stored.failures

    def close(self) -> None:
        """End all workers; the cluster has their devices back."""
        self._pool.stop()
        if self._judges is not None:
            self._judges.stop()

    def _first_hello(self, count: int) -> WorkerHello:
        waiting = self._pool.keeper
        assert isinstance(waiting, _Waiting)  # noqa: S101 -- the constructor made it
        self._pool.start(count)
        drive([self._pool], self._fleet, until=lambda: bool(self._pool.ready) or self._stuck())
        if waiting.first is None:
            raise self._failed()
        return waiting.first

    def _stuck(self) -> bool:
        return self._pool.failure is not None

    def _failed(self) -> RunFailedError:
        self.close()
        return RunFailedError(
            self._pool.failure or "",
            "see docs/distributed.md; --start-within is the time that loading the weights may take",
        )

    def _make_pool(self, role: str, wanted: int, queue: ShardQueue, keeper: Keeper) -> Pool:
        engine = self._spec.engine
        return Pool(
            role,
            wanted=wanted,
            queue=queue,
            fleet=self._fleet,
            keeper=keeper,
            hang_after=engine.hang_after,
            start_within=engine.start_within,
            say=self._tell,
        )

    def _tell(self, text: str) -> None:
        self._say(text)  # whoever listens by then

    def _judging(self, job: Job, tasks: Sequence[PlannedTask]) -> tuple[Judged, list[Pool]]:
        queue = ShardQueue(self._spec.engine.attempts)
        judged = Judged(job, {t.name: t for t in tasks}, queue)
        judged.resume()
        if not tasks:
            return judged, []
        self._judges = self._make_pool(JUDGE, self._spec.engine.judges, queue, judged)
        return judged, [self._judges]

    def _shards(self, job: Job, able: Sequence[PlannedTask], *, following: bool) -> list[Shard]:
        work = [_rows(job, task, following=following) for task in able]
        batch = max((self._batch(t) for t in able), default=1)
        service = service_of(job.ledger, [t.name for t in able])
        return cut(work, choose_cut(work, self._wanted, batch, service))

    def _batch(self, task: PlannedTask) -> int:
        sizes = self._hello.batch_sizes
        needed = [sizes[c] for c in task.plan.metadata.requires if c in sizes]
        return min(needed, default=1)

    def _generate(
        self, job: Job, able: Sequence[PlannedTask], stored: Stored, judging: list[Pool]
    ) -> None:
        total, done = _progress_of(job, able)
        if done < total:
            job.progress.start(title_of(able), "asking the model about", total, done)
        for following in (False, True):  # what they follow is in the ledger by then
            job.ledger.commit()
            left = [task for task in able if task.name not in stored.given_up]
            self._queue.add(self._shards(job, left, following=following))
            self._drive(job, [self._pool, *judging], lambda: not self._pool.busy)
            if self._pool.failure is not None:
                job.ledger.commit()
                raise self._failed()
        self._pool.stop()  # their devices are free for the judges
        job.progress.finish()

    def _finish_judging(self, job: Job, judged: Judged, judging: list[Pool]) -> None:
        judged.flush()
        job.ledger.commit()
        for pool in judging:
            if pool.busy:
                judged.shown = True
                job.progress.start(judged.title(), "scoring", *judged.left())
                self._drive(job, judging, lambda: not pool.busy)  # noqa: B023 -- called at once
                job.progress.finish()
            if pool.failure is not None:
                job.progress.message(f"{pool.failure}\nthe driver scores what is left")

    def _drive(self, job: Job, pools: Sequence[Pool], until: Callable[[], bool]) -> None:
        def after() -> None:
            self._make_room()
            job.ledger.commit_if_due()
            job.interruption.check()

        try:
            drive(pools, self._fleet, until=until, after=after)
        except RunInterruptedError:
            self._wind_down(pools)
            job.ledger.commit()
            raise

    def _make_room(self) -> None:
        """Idle judges may sit where a replaced worker should, and would wait for its responses."""
        if self._judges is not None and self._pool.stranded:
            self._judges.make_room()

    def _wind_down(self, pools: Sequence[Pool]) -> None:
        """Let batches in flight end and be stored; a second Ctrl-C ends that too."""
        for pool in pools:
            pool.wind_down()
        end = self._fleet.now() + _ROOM_TO_STOP
        drive(
            pools,
            self._fleet,
            until=lambda: self._fleet.now() > end or not any(pool.busy for pool in pools),
        )


def _rows(job: Job, planned: PlannedTask, *, following: bool) -> Rows:
    """Samples without a response that follow others, or that don't."""
    task, rows = planned.task, job.ledger.pending_rows(planned.name)
    whole = isinstance(task, Probe)
    if not isinstance(task, FollowUpTask):
        return Rows(planned.name, [] if following else rows, whole)
    samples = job.ledger.samples_at([n for n, _ in rows])
    wanted = {n for n, sample in samples if (task.follows(sample) is not None) is following}
    return Rows(planned.name, [row for row in rows if row[0] in wanted], whole)


def _nothing_left(spec: RunSpec, tasks: Sequence[PlannedTask]) -> bool:
    folder = Path(spec.out)
    if not is_run_folder(folder):
        return False
    with Ledger.open(folder) as ledger:
        known = [ledger.counts(task.name) for task in tasks if task.name in ledger.tasks()]
    return all(count.total and count.total in (count.answered, count.judged) for count in known)


def _progress_of(job: Job, able: Sequence[PlannedTask]) -> tuple[int, int]:
    counts = [job.ledger.counts(task.name) for task in able]
    total = sum(count.total for count in counts)
    return total, sum(max(count.answered, count.judged) for count in counts)
