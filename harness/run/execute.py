"""Carrying out a run: plan, ask, score, count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import (
    BenchError,
    ProtocolMismatchError,
    RunFailedError,
    SpecError,
)
from harness.records import ModelCard, RunManifest, RunStatus
from harness.run.ending import status_kept
from harness.run.engine import Engine, Session
from harness.run.folder import check_tasks, make_manifest, open_folder, set_status
from harness.run.interruption import Interruption
from harness.run.job import Job
from harness.run.local import LocalEngine
from harness.run.progress import NoProgress, Progress
from harness.run.scoring import count, score
from harness.run.settings import EngineSettings
from harness.run.tasks import PlannedTask, build_tasks, fit, list_samples, not_applicable
from harness.runspec import EngineSpec, RunSpec, resolve

__all__ = ["execute"]


def execute(
    spec: RunSpec,
    *,
    progress: Progress | None = None,
    command: Sequence[str] = (),
    settings: EngineSettings | None = None,
    engine: Engine | None = None,
) -> RunManifest:
    """Carry out a run, or continue the one in its folder.

    Finished samples are never redone; failed ones only with `spec.retry_errors`. The result
    doesn't depend on batch sizes, order, or how often the run was interrupted.

    Args:
        spec: What to run.
        progress: Who is told how far it is; `None` is nobody.
        command: Command line for the manifest; secrets are removed.
        settings: Sizes of the engine's buffers.
        engine: What drives the model; `None` is the engine that `spec` names.

    Returns:
        The manifest of the completed run.

    Raises:
        SpecError: A name, option or argument is wrong.
        ProtocolMismatchError: The folder holds another run.
        RunFailedError: A task was given up because its first samples all failed; the other tasks
            are carried out and scored before it's raised.
        RunInterruptedError: A stop was requested.
        LedgerError: The folder can't be read or written; what was committed is intact.
    """
    folder = Path(spec.out)
    built = build_tasks(resolve(spec), spec.seed)
    try:
        check_tasks(folder, [planned.plan for planned in built], spec.seed)
    except ProtocolMismatchError:
        _check_ready(built)  # data that are gone say so themselves
        raise
    progress = progress or NoProgress()
    with (engine or _engine(spec)).open(spec, built, progress.message) as session:
        planned = fit(built, session.card)
        _check_ready([task for task in planned if task.plan.applicable])
        wanted = make_manifest(
            card=session.card,
            model_args=dict(spec.model.args),
            fingerprint=session.fingerprint(),
            plans=[task.plan for task in planned],
            seed=spec.seed,
            label=spec.model.label,
            command=command,
        )
        ledger, manifest = open_folder(folder, wanted)
        with ledger, status_kept(folder, manifest), Interruption() as interruption:
            job = Job(
                ledger=ledger,
                seed=spec.seed,
                batch_size=spec.batch_size,
                retry_errors=spec.retry_errors,
                progress=progress,
                interruption=interruption,
                settings=settings or EngineSettings(),
            )
            _carry_out(job, planned, session)
        return set_status(folder, manifest, RunStatus.COMPLETE)


def _engine(spec: RunSpec) -> Engine:
    if spec.engine.kind == "local":
        if spec.engine != EngineSpec():
            raise SpecError(
                "the local engine has one worker and none of the engine's settings",
                "add --engine ray, or `kind: ray` in the run file; or leave the settings out",
            )
        return LocalEngine()
    from harness.engines.ray_engine import RayEngine

    return RayEngine()


def _check_ready(able: Sequence[PlannedTask]) -> None:
    """Let every task say what it lacks; all of it is said at once.

    Raises:
        BenchError: A task's data or judge isn't there; of the class of the first failure.
    """
    failures: list[BenchError] = []
    for task in able:
        try:
            task.task.preflight()
        except BenchError as error:
            failures.append(error)
    if len(failures) > 1:
        said = "\n".join(f"- {error.what}\n  {error.remedy}".rstrip() for error in failures)
        raise type(failures[0])(
            f"{len(failures)} tasks can't be scored:\n{said}", "see above, or name fewer tasks"
        )
    if failures:
        raise failures[0]


def _carry_out(job: Job, planned: Sequence[PlannedTask], session: Session) -> None:
    able = [task for task in planned if task.plan.applicable]
    for task in able:
        if job.ledger.total(task.name) is None:
            job.ledger.plan(task.name, list_samples(task, session.card))
    failures = session.ask(job, able)
    session.close()  # detectors and judges may need the memory
    for task in able:
        score(job, task)
    _count(job, planned, session.card)
    if failures:
        raise _joined(failures)


def _count(job: Job, planned: Sequence[PlannedTask], card: ModelCard) -> None:
    for task in planned:
        if task.plan.applicable:
            count(job, task)
        else:
            job.ledger.add_result(not_applicable(task.plan, card))


def _joined(failures: Sequence[RunFailedError]) -> RunFailedError:
    return RunFailedError("\n\n".join(error.what for error in failures), failures[0].remedy)
