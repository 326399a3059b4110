"""Scoring a run's responses by other rules, into a run folder of their own.

Where an official evaluation and the corrected one differ in scoring alone, the model is asked once
and both numbers come out of its answers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from harness.errors import ProtocolMismatchError, SpecError
from harness.ledger import Entry, Ledger, LedgerWriter, read_manifest
from harness.ledger.faults import explained
from harness.names import suggest
from harness.records import JsonValue, RunManifest, RunStatus, Sample, SuiteEntry, TaskPlan
from harness.run.ending import status_kept
from harness.run.folder import differences, make_manifest, open_folder, set_status
from harness.run.interruption import Interruption
from harness.run.job import Job
from harness.run.progress import NoProgress, Progress
from harness.run.rebuild import rebuild_request
from harness.run.scoring import count, score
from harness.run.settings import EngineSettings
from harness.run.tasks import PlannedTask, build_tasks, list_samples
from harness.task import Probe

__all__ = ["score_otherwise"]

_PAGE = 256


def score_otherwise(
    folder: str | Path,
    out: str | Path,
    options: Mapping[str, Mapping[str, JsonValue]],
    *,
    progress: Progress | None = None,
    command: Sequence[str] = (),
    settings: EngineSettings | None = None,
) -> RunManifest:
    """Score the stored responses of a run with other options of its tasks.

    The new run holds the tasks whose protocol the options change, with the old run's model,
    responses and pictures (linked where the file system can, copied elsewhere). Repeating the call
    resumes.

    Args:
        folder: Run folder with the responses; it isn't changed.
        out: Run folder to write.
        options: Options by task, on top of those of the run; tasks that the run lacks are ignored.
        progress: Who is told how far it is; `None` is nobody.
        command: Command line for the manifest; secrets are removed.
        settings: Sizes of the engine's buffers.

    Returns:
        The manifest of the new run.

    Raises:
        SpecError: No task of the run would be scored by other rules.
        ProtocolMismatchError: With these options a task asks other things than the responses
            answer, or `out` holds another run.
        DataError: A task's data aren't there.
        LedgerError: A folder isn't a run, is damaged, in use, or can't be written.
        RunInterruptedError: A stop was requested.
    """
    folder, out = Path(folder), Path(out)
    old = read_manifest(folder)
    planned = _changed(folder, old, options)
    for task in planned:
        task.task.preflight()
    with Ledger.open(folder) as source:
        for task in planned:
            _check_requests(source, task, old.seed)
        wanted = _manifest(old, [task.plan for task in planned], command)
        ledger, manifest = open_folder(out, wanted)
        with ledger, status_kept(out, manifest), Interruption() as interruption:
            job = Job(
                ledger=ledger,
                seed=old.seed,
                progress=progress or NoProgress(),
                interruption=interruption,
                settings=settings or EngineSettings(),
            )
            for task in planned:
                _take_over(source, ledger, task)
                score(job, task)
                count(job, task)
        return set_status(out, manifest, RunStatus.COMPLETE)


def _changed(
    folder: Path, old: RunManifest, options: Mapping[str, Mapping[str, JsonValue]]
) -> list[PlannedTask]:
    """The tasks of the run that the options give another protocol."""
    plans = {plan.task: plan for plan in old.tasks if plan.applicable}
    entries = [
        SuiteEntry(task=name, limit=plans[name].limit, options={**plans[name].options, **given})
        for name, given in options.items()
        if name in plans
    ]
    built = build_tasks(entries, old.seed) if entries else []
    changed = [
        task
        for task in built
        if not isinstance(task.task, Probe)
        and task.plan.protocol.hash != plans[task.name].protocol.hash
    ]
    if not changed:
        raise SpecError(
            f"with these options {folder} is scored by the rules that it was scored by",
            _remedy(list(options), list(plans)),
        )
    return changed


def _remedy(asked: Sequence[str], there: Sequence[str]) -> str:
    absent = [name for name in asked if name not in there]
    hint = suggest(absent[0], there) if absent else ""
    return hint or f"give an option that changes how a task scores; tasks here: {', '.join(there)}"


def _check_requests(source: Ledger, planned: PlannedTask, seed: int) -> None:
    """Refuse options that change a sample, or what the model would be asked about it."""
    name = planned.name
    entries = source.entries(name)
    for entry, sample in zip_longest(entries, list_samples(planned, None)):
        if entry is None or sample is None or not _same(entry, sample):
            raise _other_samples(name, entry, sample)
        if entry.request_digest and rebuild_request(planned.task, seed, entry, source) is None:
            raise ProtocolMismatchError(
                f"task {name!r} would ask other things with these options than the response to "
                f"sample {sample.key} answers",
                "score with options that change scoring alone, or run again into a new folder",
            )


def _same(entry: Entry, sample: Sample) -> bool:
    return not differences(entry.sample, sample)


def _other_samples(name: str, entry: Entry | None, sample: Sample | None) -> ProtocolMismatchError:
    if entry is None or sample is None:
        key = (sample or entry.sample).key if (sample or entry) else ""  # type: ignore[union-attr]
        which = f"sample {key} is in one of them alone"
    else:
        which = f"sample {entry.sample.key} differs:\n" + "\n".join(
            differences(entry.sample, sample)
        )
    return ProtocolMismatchError(
        f"task {name!r} has other samples with these options: {which}",
        "score with options that change scoring alone, or run again into a new folder",
    )


def _manifest(old: RunManifest, plans: Sequence[TaskPlan], command: Sequence[str]) -> RunManifest:
    made = make_manifest(
        card=old.model,
        model_args=dict(old.model_args),
        fingerprint=old.fingerprint,
        plans=plans,
        seed=old.seed,
        label=old.label,
        command=command,
    )
    # The responses were made there and then; timings among them belong to that machine.
    return msgspec.structs.replace(made, environment=old.environment, created=old.created)


def _take_over(source: Ledger, ledger: LedgerWriter, planned: PlannedTask) -> None:
    """Copy a task's samples and responses, as far as they aren't here yet."""
    name, after = planned.name, None
    if ledger.total(name) is None:
        ledger.plan(name, list_samples(planned, None))
    while page := ledger.pending(name, after, _PAGE):
        after = page[-1].n
        for n, sample in page:
            _copy(source, ledger, n, source.sample(name, sample.id, sample.k))
        ledger.commit_if_due()
    ledger.commit()


def _copy(source: Ledger, ledger: LedgerWriter, n: int, entry: Entry) -> None:
    if entry.response is None:
        if entry.error is not None:  # a sample that wasn't asked stays missing
            ledger.add_error(n, entry.request_digest, entry.prompt, entry.error)
        return
    if entry.response.image_path is not None:
        _link(source.folder, ledger.folder, entry.response.image_path)
    ledger.add_response(n, entry.request_digest, entry.prompt, entry.response)


def _link(source: Path, target: Path, path: str) -> None:
    """Give a picture a second name; a picture that is gone becomes a missing sample by itself."""
    there, here = source / path, target / path
    if here.exists() or not there.exists():
        return
    with explained(target):
        here.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(there, here)
        except OSError:  # another file system
            shutil.copyfile(there, here)
