"""The plan of a run: what it would ask and about how long, without loading any weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from harness.engines.forecast import Forecast, forecast
from harness.engines.service import service_of
from harness.engines.shards import Rows
from harness.ledger import Ledger, Timings, is_run_folder
from harness.models import find_model
from harness.records import (
    AnswerRequest,
    Capability,
    EditImageRequest,
    GenerateImageRequest,
    LogLikelihoodRequest,
    ModelCard,
    ReconstructRequest,
    Record,
    Request,
    Sample,
)
from harness.run.folder import check_tasks
from harness.run.tasks import PlannedTask, build_tasks, lacking, list_samples
from harness.runspec import RunSpec, resolve
from harness.seeds import sample_seed
from harness.task import FollowUpTask, Probe, Task

__all__ = ["Plan", "PlannedWork", "plan"]


class PlannedWork(Record, frozen=True, kw_only=True):
    """What one task of a run amounts to."""

    task: str
    """Registry name."""

    applicable: bool
    """Whether the model can do it."""

    missing: tuple[Capability, ...]
    """Capabilities that it lacks."""

    protocol_hash: str
    """Hash of the protocol."""

    samples: int = 0
    """Samples in all; 0 where the task isn't applicable."""

    done: int = 0
    """Samples that the folder already has."""

    requests: int = 0
    """Requests to the model that are left; for a probe, measurements that are left."""

    prompt_tokens_at_most: int = 0
    """Upper bound on the text tokens of all prompts: their UTF-8 bytes."""

    completion_tokens_at_most: int = 0
    """Upper bound on the text tokens of all answers: the sum of `max_new_tokens`."""

    images_in: int = 0
    """Pictures shown to the model."""

    images_out: int = 0
    """Pictures asked of the model."""

    seconds: float | None = None
    """Estimated time for what is left, from the folder's earlier responses; `None` is unknown."""


class Plan(Record, frozen=True, kw_only=True):
    """What a run would do."""

    model: str
    """Registry name of the model."""

    out: str
    """Run folder."""

    seed: int
    """Base seed."""

    resumes: bool
    """Whether the folder already holds this run."""

    tasks: tuple[PlannedWork, ...]
    """One entry per task, in order."""

    workers: int | None = None
    """Workers that the engine is to have; `None` is one, in this process."""

    forecast: Forecast | None = None
    """How the workers would share what is left; `None` if nothing is, or nothing was timed."""

    @property
    def seconds(self) -> float | None:
        """Estimated time of the whole run; `None` if some task's is unknown."""
        parts = [work.seconds for work in self.tasks if work.applicable]
        return None if None in parts else sum(part for part in parts if part is not None)


def plan(spec: RunSpec, timings: Path | None = None) -> Plan:
    """Work out what a run would do; needs the model's card, not its weights.

    Args:
        spec: What would be run.
        timings: Folder of a run of the same model whose service times hold here too; `None` takes
            those that the run's own folder has.

    Raises:
        SpecError: A name or option is wrong.
        ProtocolMismatchError: The folder holds another run.
        DataError: A task's samples can't be listed.
        LedgerError: `timings` isn't the folder of a run.
    """
    folder = Path(spec.out)
    planned = build_tasks(resolve(spec), spec.seed)
    check_tasks(folder, [task.plan for task in planned], spec.seed)
    card = _card(spec)
    workers = spec.engine.workers
    return Plan(
        model=spec.model.name,
        out=spec.out,
        seed=spec.seed,
        resumes=is_run_folder(folder),
        tasks=tuple(_work(task, card, folder, spec.seed, timings) for task in planned),
        workers=workers,
        forecast=None
        if workers is None
        else _forecast(spec, planned, card, workers, timings or folder),
    )


def _forecast(
    spec: RunSpec,
    planned: Sequence[PlannedTask],
    card: ModelCard | None,
    workers: int,
    timings: Path,
) -> Forecast | None:
    work = [_left(task, card, Path(spec.out)) for task in planned if _able(task, card)]
    work = [part for part in work if part.rows]
    if not work or (timings == Path(spec.out) and not is_run_folder(timings)):
        return None
    with Ledger.open(timings) as ledger:
        service = service_of(ledger, [part.task for part in work])
    if service.keys() != {part.task for part in work}:
        return None
    measured = max(size for times in service.values() for size in times.sizes)
    return forecast(work, workers, spec.batch_size or measured, service)


def _able(task: PlannedTask, card: ModelCard | None) -> bool:
    return card is None or not lacking(task.plan.metadata, card)


def _left(task: PlannedTask, card: ModelCard | None, folder: Path) -> Rows:
    """Samples without a response, numbered as they'd be in the ledger."""
    whole = isinstance(task.task, Probe)
    if is_run_folder(folder):
        with Ledger.open(folder) as ledger:
            if ledger.total(task.name) is not None:
                return Rows(task.name, ledger.pending_rows(task.name), whole)
    samples = enumerate(list_samples(task, card))
    return Rows(task.name, [(n, sample.cluster_id) for n, sample in samples], whole)


def _card(spec: RunSpec) -> ModelCard | None:
    # A factory function has no card before it's called; then nothing is known to be missing.
    return getattr(find_model(spec.model.name), "card", None)


def _work(
    planned: PlannedTask, card: ModelCard | None, folder: Path, seed: int, timings: Path | None
) -> PlannedWork:
    missing = tuple(lacking(planned.plan.metadata, card)) if card is not None else ()
    bare = PlannedWork(
        task=planned.name,
        applicable=not missing,
        missing=missing,
        protocol_hash=planned.plan.protocol.hash,
    )
    if missing:
        return bare
    done, times = _earlier(planned, folder)
    if timings is not None:
        times = _timed(planned.name, timings)
    tally = _Tally()
    for sample in list_samples(planned, card):
        tally.samples += 1
        if not isinstance(planned.task, Probe):
            request_seed = sample_seed(seed, planned.name, sample.id, sample.k)
            tally.add(_request(planned.task, sample, request_seed))
    return tally.fill(bare, done, times)


def _request(task: Task, sample: Sample, seed: int) -> Request:
    if isinstance(task, FollowUpTask) and task.follows(sample) is not None:
        return task.request_after(sample, task.stand_in(), seed)
    return task.request(sample, seed)


def _earlier(planned: PlannedTask, folder: Path) -> tuple[int, Timings]:
    if not is_run_folder(folder):
        return 0, Timings(0, 0.0)
    with Ledger.open(folder) as ledger:
        counts = ledger.counts(planned.name)
        done = counts.judged if isinstance(planned.task, Probe) else counts.answered
        return done, ledger.timings(planned.name)


def _timed(task: str, folder: Path) -> Timings:
    with Ledger.open(folder) as ledger:
        return ledger.timings(task) if task in ledger.tasks() else Timings(0, 0.0)


class _Tally:
    """Sums over the requests of a task."""

    def __init__(self) -> None:
        self.samples = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.images_in = 0
        self.images_out = 0

    def add(self, request: Request) -> None:
        """Take one request."""
        # A byte-level tokenizer, the finest there is, makes at most one token of a byte.
        texts: Iterable[str] = (getattr(request, "prompt", ""),)
        if isinstance(request, AnswerRequest):
            self.completion_tokens += request.decoding.max_new_tokens
            self.images_in += len(request.images)
        elif isinstance(request, LogLikelihoodRequest):
            texts = (text for pair in request.pairs() for text in pair)
            self.images_in += len(request.images)
        elif isinstance(request, EditImageRequest | ReconstructRequest):
            self.images_in += 1
        if isinstance(request, GenerateImageRequest | EditImageRequest | ReconstructRequest):
            self.images_out += 1
        self.prompt_tokens += sum(len(text.encode()) for text in texts)

    def fill(self, bare: PlannedWork, done: int, timings: Timings) -> PlannedWork:
        """Put the sums into a record."""
        left = self.samples - done
        each = timings.seconds / timings.responses if timings.responses else None
        return msgspec.structs.replace(
            bare,
            samples=self.samples,
            done=done,
            requests=left,
            prompt_tokens_at_most=self.prompt_tokens,
            completion_tokens_at_most=self.completion_tokens,
            images_in=self.images_in,
            images_out=self.images_out,
            seconds=0.0 if left == 0 else None if each is None else each * left,
        )
