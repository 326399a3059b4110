"""What a reproduction would cost, before anything runs: samples, tokens, images, hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import BenchError
from harness.records import Capability, JsonValue, Record, SuiteEntry
from harness.registry import tasks
from harness.run import PlannedWork, plan
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.sources import open_source

__all__ = ["Cost", "Rates", "costs", "costs_text", "read_rates"]

_KINDS = (
    Capability.EDIT_IMAGE,
    Capability.GENERATE_IMAGE,
    Capability.RECONSTRUCT,
    Capability.LOGLIKELIHOOD,
    Capability.ANSWER,
)
"""Kinds of request, the costliest first: a task that needs several is charged for that one."""


class Rates(Record, frozen=True, kw_only=True):
    """Seconds of single requests, as the latency probe measured them."""

    seconds: Mapping[Capability, float] = {}
    """Median seconds of a request of each kind."""

    steps: int | None = None
    """Denoising steps of the pictures that were timed."""

    device: str = ""
    """Where they were measured."""


class Cost(Record, frozen=True, kw_only=True):
    """What one task would cost."""

    task: str
    """Registry name."""

    samples: int = 0
    """Requests to the model."""

    tokens_at_most: int = 0
    """Text tokens in and out, at most."""

    images_in: int = 0
    """Pictures shown to the model."""

    images_out: int = 0
    """Pictures asked of the model."""

    hours: float | None = None
    """Hours one request after another, at the measured rates; batches take less."""

    problem: str = ""
    """Why nothing is known; empty if all is."""


def read_rates(folder: Path | None) -> Rates:
    """Rates of a run that has the latency probe; without a run none are known.

    Raises:
        LedgerError: The run can't be read.
    """
    if folder is None:
        return Rates()
    with open_source(folder) as source:
        values = {m.name: m.value for result in source.results() for m in result.metrics}
        found = source.manifest.fingerprint
    seconds = {kind: values.get(f"{kind.value}_seconds_p50") for kind in _KINDS}
    return Rates(
        seconds={kind: value for kind, value in seconds.items() if value is not None},
        steps=_steps(found.defaults),
        device=found.device,
    )


def costs(entries: Sequence[SuiteEntry], model: ModelRef, rates: Rates) -> list[Cost]:
    """What each task would cost; one whose data aren't here says so and stops no other.

    Args:
        entries: The tasks.
        model: The model; its weights aren't loaded.
        rates: Seconds of single requests. Where a task demands other steps than were timed, a
            picture's are scaled by them: the denoiser is what costs.
    """
    return [_cost(entry, model, rates) for entry in entries]


def _cost(entry: SuiteEntry, model: ModelRef, rates: Rates) -> Cost:
    ref = TaskRef(task=entry.task, limit=entry.limit, options=entry.options)
    try:
        work = _planned(ref, model)
    except BenchError as error:
        return Cost(task=entry.task, problem=error.what.splitlines()[0])
    if not work.applicable:
        lacks = ", ".join(work.missing)
        return Cost(task=entry.task, problem=f"the model has no capability {lacks}")
    each = _each(entry, rates)
    return Cost(
        task=entry.task,
        samples=work.samples,
        tokens_at_most=work.prompt_tokens_at_most + work.completion_tokens_at_most,
        images_in=work.images_in,
        images_out=work.images_out,
        hours=None if each is None else each * work.samples / 3600,
    )


def _planned(ref: TaskRef, model: ModelRef) -> PlannedWork:
    with TemporaryDirectory() as nothing:  # a run that isn't there has everything left to do
        (work,) = plan(RunSpec(tasks=(ref,), model=model, out=f"{nothing}/run")).tasks
    return work


def _each(entry: SuiteEntry, rates: Rates) -> float | None:
    """Seconds of one request; those of pictures grow with the steps that the task demands."""
    task = tasks().get(entry.task)(entry.options)
    needed = [kind for kind in _KINDS if kind in task.metadata.requires]
    seconds = rates.seconds.get(needed[0]) if needed else None
    asked = _steps(task.decoding())
    if seconds is None or asked is None:
        return seconds
    return None if rates.steps is None else seconds * asked / rates.steps


def _steps(decoding: Mapping[str, JsonValue]) -> int | None:
    steps = decoding.get("steps")
    return steps if isinstance(steps, int) else None


def costs_text(found: Sequence[Cost], rates: Rates) -> str:
    """The costs as a Markdown table with their sum."""
    rows = [
        "| task | requests | tokens ≤ | images in | images out | hours one by one |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_row(cost) for cost in found),
    ]
    known = [cost.hours for cost in found if cost.hours is not None]
    total = (
        f"{sum(known):.1f} hours on {rates.device}" if known else "unknown without --latency RUN"
    )
    problems = [f"- {cost.task}: {cost.problem}" for cost in found if cost.problem]
    return "\n".join([*rows, "", f"Estimated time, one request after another: {total}.", *problems])


def _row(cost: Cost) -> str:
    if cost.problem:
        return f"| {cost.task} | ? | ? | ? | ? | ? |"
    hours = "?" if cost.hours is None else f"{cost.hours:.2f}"
    return (
        f"| {cost.task} | {cost.samples:,} | {cost.tokens_at_most:,} | {cost.images_in:,} | "
        f"{cost.images_out:,} | {hours} |"
    )
