"""Scoring a stored run again, without its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import ProtocolMismatchError
from harness.ledger import LedgerWriter, read_manifest, write_manifest
from harness.records import Identity, Protocol, RunManifest, SuiteEntry, TaskPlan, TaskResult
from harness.run.folder import differences
from harness.run.interruption import Interruption
from harness.run.job import Job
from harness.run.progress import NoProgress, Progress
from harness.run.scoring import count, make_ready, score
from harness.run.settings import EngineSettings
from harness.run.tasks import PlannedTask, build_tasks
from harness.task import Probe

__all__ = ["rescore"]

_NO_SCORER = Identity(id="", version="")


def rescore(
    folder: str | Path,
    *,
    progress: Progress | None = None,
    settings: EngineSettings | None = None,
) -> list[TaskResult]:
    """Score the stored responses of a run with the tasks as they are now.

    A newer scorer or judge changes the protocol of the results, and the manifest says so. Probes
    scored while they measured, so they are only counted again.

    Args:
        folder: Run folder.
        progress: Who is told how far it is; `None` is nobody.
        settings: Sizes of the engine's buffers.

    Returns:
        The results of all tasks, in order.

    Raises:
        UnknownNameError: A task of the run isn't registered any more.
        ProtocolMismatchError: A task would now ask other things than the stored responses answer.
        DataError: A task's data aren't there any more.
        LedgerError: The folder isn't a run, is damaged, in use, or can't be written.
        RunInterruptedError: A stop was requested.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    planned = _rebuilt(folder, manifest)
    with LedgerWriter.open(folder) as ledger, Interruption() as interruption:
        job = Job(
            ledger=ledger,
            seed=manifest.seed,
            progress=progress or NoProgress(),
            interruption=interruption,
            settings=settings or EngineSettings(),
        )
        ready = [task for task in planned if ledger.total(task.name) is not None]
        for task in ready:  # first: without its judge, a run keeps the verdicts that it has
            make_ready(task)
        _forget(job, ready)
        plans = tuple(task.plan for task in planned)
        write_manifest(folder, msgspec.structs.replace(manifest, tasks=plans))
        for task in ready:
            score(job, task)
            count(job, task)
        return ledger.results()


def _rebuilt(folder: Path, manifest: RunManifest) -> list[PlannedTask]:
    entries = [
        SuiteEntry(task=plan.task, limit=plan.limit, options=plan.options)
        for plan in manifest.tasks
    ]
    built = build_tasks(entries, manifest.seed)
    return [_checked(folder, old, new) for old, new in zip(manifest.tasks, built, strict=True)]


def _checked(folder: Path, old: TaskPlan, new: PlannedTask) -> PlannedTask:
    changed = differences(_asked(old.protocol), _asked(new.plan.protocol))
    if changed:
        new.task.preflight()  # data that are gone say so themselves
        raise ProtocolMismatchError(
            f"task {old.task!r} would now ask other things than the responses in {folder} "
            "answer:\n" + "\n".join(changed),
            "score with the version of the task that made the run, or run again into a new folder",
        )
    return PlannedTask(new.task, msgspec.structs.replace(new.plan, applicable=old.applicable))


def _asked(protocol: Protocol) -> Protocol:
    """The protocol without what only scoring depends on."""
    return msgspec.structs.replace(protocol, id="", task_version=0, judge=None, scorer=_NO_SCORER)


def _forget(job: Job, ready: Sequence[PlannedTask]) -> None:
    for task in ready:
        if not isinstance(task.task, Probe):
            job.ledger.forget_outcomes(task.name)
