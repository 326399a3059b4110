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

    ttft: float | None = None
    """Median seconds to an answer's first token."""

    tpot: float | None = None
    """Median seconds of each further token."""

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

    hours_at_most: float | None = None
    """Hours if every answer takes all the tokens that it may; `None` where no TPOT was measured, or
    nothing is answered."""

    applicable: bool = True
    """Whether the model can do it; if not it costs nothing."""

    problem: str = ""
    """Why nothing is known; empty if all is."""

    @property
    def unknown(self) -> bool:
        """Whether its hours are missing from the total."""
        return self.applicable and self.hours is None


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
        ttft=values.get("answer_ttft_p50"),
        tpot=values.get("answer_tpot_p50"),
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
        return Cost(
            task=entry.task, applicable=False, problem=f"the model has no capability {lacks}"
        )
    each = _each(entry, rates)
    hours = None if each is None else each * work.samples / 3600
    return Cost(
        task=entry.task,
        samples=work.samples,
        tokens_at_most=work.prompt_tokens_at_most + work.completion_tokens_at_most,
        images_in=work.images_in,
        images_out=work.images_out,
        hours=hours,
        hours_at_most=_at_most(hours, entry, work, rates),
    )


def _planned(ref: TaskRef, model: ModelRef) -> PlannedWork:
    with TemporaryDirectory() as nothing:  # a run that isn't there has everything left to do
        (work,) = plan(RunSpec(tasks=(ref,), model=model, out=f"{nothing}/run")).tasks
    return work


def _at_most(
    hours: float | None, entry: SuiteEntry, work: PlannedWork, rates: Rates
) -> float | None:
    """Hours of answers that end at their limit; the probe's may have been shorter."""
    kind = _charged(entry)
    if hours is None or kind is not Capability.ANSWER or rates.tpot is None:
        return None
    seconds = work.samples * (rates.ttft or 0.0) + work.completion_tokens_at_most * rates.tpot
    return max(hours, seconds / 3600)


def _charged(entry: SuiteEntry) -> Capability | None:
    """The kind of request that a task is charged for; `None` if it makes none that is timed."""
    requires = tasks().get(entry.task)(entry.options).metadata.requires
    return next((kind for kind in _KINDS if kind in requires), None)


def _each(entry: SuiteEntry, rates: Rates) -> float | None:
    """Seconds of one request; those of pictures grow with the steps that the task demands."""
    task = tasks().get(entry.task)(entry.options)
    kind = _charged(entry)
    seconds = None if kind is None else rates.seconds.get(kind)
    asked = _steps(task.decoding())
    if seconds is None or asked is None:
        return seconds
    return None if rates.steps is None else seconds * asked / rates.steps


def _steps(decoding: Mapping[str, JsonValue]) -> int | None:
    steps = decoding.get("steps")
    return steps if isinstance(steps, int) else None


def costs_text(found: Sequence[Cost], rates: Rates) -> str:
    """The costs as a Markdown table with their sum, which says what isn't in it."""
    rows = [
        "| task | requests | tokens ≤ | images in | images out | hours one by one |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_row(cost) for cost in found),
    ]
    problems = [f"- {cost.task}: {cost.problem}" for cost in found if cost.problem]
    return "\n".join([*rows, "", _total(found, rates), *problems])


def _total(found: Sequence[Cost], rates: Rates) -> str:
    known = [cost for cost in found if cost.hours is not None]
    unknown = sum(cost.unknown for cost in found)
    least = sum(cost.hours or 0.0 for cost in known)
    most = sum(cost.hours_at_most or cost.hours or 0.0 for cost in known)
    amount = f"{'at least ' if unknown else ''}{least:.1f} hours on {rates.device}"
    if not known:
        amount = "unknown without --latency RUN"
    longer = f" ({most:.1f} if every answer takes all its tokens)" if most > least else ""
    gaps = f"; {unknown} of {len(found)} tasks unknown" if unknown and known else ""
    return (
        f"Estimated time, one request after another: {amount}{longer}{gaps}. "
        "Judges and detectors aren't included."
    )


def _row(cost: Cost) -> str:
    if cost.problem:
        return f"| {cost.task} |" + (" ? |" if cost.applicable else " - |") * 5
    return (
        f"| {cost.task} | {cost.samples:,} | {cost.tokens_at_most:,} | {cost.images_in:,} | "
        f"{cost.images_out:,} | {_hours(cost)} |"
    )


def _hours(cost: Cost) -> str:
    if cost.hours is None:
        return "?"
    most = cost.hours_at_most
    return f"{cost.hours:.2f}" if most is None else f"{cost.hours:.2f} to {most:.2f}"
