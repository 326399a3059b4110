"""Judging a batch of responses: every sample gets exactly one outcome, whatever the scorer does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from harness.errors import BenchError, LedgerError
from harness.ledger import Answered
from harness.media import read_png
from harness.records import Outcome, Response, Sample, StoredResponse, Verdict
from harness.run.absence import failure_outcome
from harness.run.serving import describe
from harness.task import Task

__all__ = ["ContractError", "judge", "sound"]

_UNASKED = Outcome(verdict=Verdict.MISSING, reason="there is no response")


class ContractError(BenchError):
    """A scorer gave back something that isn't an outcome."""


class _Ready(NamedTuple):
    n: int
    sample: Sample
    response: Response


def judge(task: Task, folder: Path, answered: Sequence[Answered]) -> list[tuple[int, Outcome]]:
    """Give every sample its outcome.

    A failed model gives `errored`, no response or no usable picture gives `missing`, and a
    scorer that raises or returns nonsense gives `judge_failed` with its traceback; never 0.

    Args:
        task: The task that scores.
        folder: Run folder, for the pictures.
        answered: Samples with what the model gave back.

    Returns:
        Row numbers with outcomes, one for each of `answered`, in any order.
    """
    outcomes: list[tuple[int, Outcome]] = []
    ready: list[_Ready] = []
    for item in answered:
        found = _prepared(folder, item)
        if isinstance(found, Outcome):
            outcomes.append((item.n, found))
        else:
            ready.append(_Ready(item.n, item.sample, found))
    return outcomes + _scored(task, ready)


def sound(outcome: object) -> Outcome:
    """Check what a scorer or probe gave back.

    Raises:
        ContractError: It's no outcome, a score isn't a finite number, or it can't be stored.
    """
    if not isinstance(outcome, Outcome):
        raise ContractError(f"got a {type(outcome).__name__}", "return harness.records.Outcome")
    for name, score in outcome.scores.items():
        if not isinstance(score, float | int) or not math.isfinite(score):
            raise ContractError(
                f"score {name!r} is {score!r}", "give finite numbers; leave unknown scores out"
            )
    if outcome.details:
        msgspec.json.encode(outcome.details)  # raises what the caller records
    return outcome


def _prepared(folder: Path, item: Answered) -> Response | Outcome:
    if item.error is not None:
        return failure_outcome(item.error)
    if item.response is None:
        return _UNASKED
    try:
        return _restored(folder, item.response)
    except LedgerError as error:
        return Outcome(verdict=Verdict.MISSING, reason=str(error))


def _restored(folder: Path, stored: StoredResponse) -> Response:
    image = None
    if stored.image_path is not None:
        image = read_png(folder / stored.image_path, stored.image_sha256)
    return Response(
        text=stored.text,
        image=image,
        loglikelihoods=stored.loglikelihoods,
        is_greedy=stored.is_greedy,
        finish_reason=stored.finish_reason,
        usage=stored.usage,
        timing=stored.timing,
    )


def _scored(task: Task, ready: Sequence[_Ready]) -> list[tuple[int, Outcome]]:
    if not ready:
        return []
    try:
        outcomes = _called(task, ready)
    except Exception as error:  # noqa: BLE001 -- whatever a scorer raises is a verdict
        if len(ready) == 1:
            return [(ready[0].n, Outcome(verdict=Verdict.JUDGE_FAILED, reason=describe(error)))]
    else:
        return [(item.n, outcome) for item, outcome in zip(ready, outcomes, strict=True)]
    half = len(ready) // 2
    return _scored(task, ready[:half]) + _scored(task, ready[half:])


def _called(task: Task, ready: Sequence[_Ready]) -> list[Outcome]:
    outcomes: Any = task.score_batch([(item.sample, item.response) for item in ready])
    if len(outcomes) != len(ready):
        raise ContractError(
            f"`score_batch` returned {len(outcomes)} outcomes for {len(ready)} responses",
            "return one outcome per response, in their order",
        )
    return [sound(outcome) for outcome in outcomes]
