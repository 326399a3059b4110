"""What a reproduction would cost, before anything runs: samples, tokens, images, hours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import BenchError
from harness.records import Record, SuiteEntry
from harness.run import plan
from harness.runspec import ModelRef, RunSpec, TaskRef
from harness.sources import open_source

__all__ = ["Cost", "Rates", "costs", "costs_text", "read_rates"]

_ANSWER, _DRAW = "answer_seconds_p50", "generate_image_seconds_p50"


class Rates(Record, frozen=True, kw_only=True):
    """Seconds of single requests, as the latency probe measured them."""

    answer: float | None = None
    """Median seconds of an answer."""

    draw: float | None = None
    """Median seconds of an image."""

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
        device = source.manifest.fingerprint.device
    return Rates(answer=values.get(_ANSWER), draw=values.get(_DRAW), device=device)


def costs(entries: Sequence[SuiteEntry], model: ModelRef, rates: Rates) -> list[Cost]:
    """What each task would cost; one whose data aren't here says so and stops no other.

    Args:
        entries: The tasks.
        model: The model; its weights aren't loaded.
        rates: Seconds of single requests.
    """
    return [_cost(entry, model, rates) for entry in entries]


def _cost(entry: SuiteEntry, model: ModelRef, rates: Rates) -> Cost:
    ref = TaskRef(task=entry.task, limit=entry.limit, options=entry.options)
    try:
        (work,) = plan(RunSpec(tasks=(ref,), model=model, out="runs/not-there")).tasks
    except BenchError as error:
        return Cost(task=entry.task, problem=error.what.splitlines()[0])
    if not work.applicable:
        lacks = ", ".join(work.missing)
        return Cost(task=entry.task, problem=f"the model has no capability {lacks}")
    each = rates.draw if work.images_out else rates.answer
    return Cost(
        task=entry.task,
        samples=work.samples,
        tokens_at_most=work.prompt_tokens_at_most + work.completion_tokens_at_most,
        images_in=work.images_in,
        images_out=work.images_out,
        hours=None if each is None else each * work.samples / 3600,
    )


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
