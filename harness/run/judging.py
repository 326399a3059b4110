"""Judging a batch of responses: every sample gets exactly one outcome, whatever the scorer does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec

from harness.errors import BenchError, LedgerError, NoResponseError
from harness.ledger import Answered
from harness.records import Outcome, Response, Sample, Verdict
from harness.run.absence import failure_outcome
from harness.run.following import Earlier
from harness.run.restoring import restore
from harness.run.serving import describe
from harness.task import FollowUpTask, Task

__all__ = ["ContractError", "Ready", "Unscored", "after", "judge", "read", "sound"]

_UNASKED = Outcome(verdict=Verdict.MISSING, reason="there is no response")


class ContractError(BenchError):
    """A scorer gave back something that isn't an outcome."""


class Ready(NamedTuple):
    """A sample whose response can be scored."""

    n: int
    """Row number."""

    sample: Sample
    """The item."""

    response: Response
    """What the model gave back, its picture decoded."""

    earlier: Response | None = None
    """The response that the sample follows; `None` for a first one."""


Unscored: TypeAlias = Ready | tuple[int, Outcome]
"""A response to score, or the row number and outcome of a sample that has none."""


def read(folder: Path, item: Answered) -> Unscored:
    """Get a response ready, its picture read from disk and checked.

    A failed model gives `errored`; no response or no usable picture gives `missing`; never 0.

    Args:
        folder: Run folder, for the pictures.
        item: A sample with what the model gave back.
    """
    found = _prepared(folder, item)
    return (item.n, found) if isinstance(found, Outcome) else Ready(item.n, item.sample, found)


def after(earlier: Earlier, item: Unscored) -> Unscored:
    """Put the response beside it that a sample follows, if it follows one.

    Args:
        earlier: Gives those responses, from the ledger.
        item: What `read` gave.

    Returns:
        The same, or the sample as `missing` where that response is gone.
    """
    if not isinstance(item, Ready):
        return item
    try:
        return item._replace(earlier=earlier(item.sample))
    except (LedgerError, NoResponseError) as error:
        return item.n, Outcome(verdict=Verdict.MISSING, reason=str(error))


def judge(task: Task, items: Sequence[Unscored]) -> list[tuple[int, Outcome]]:
    """Give every sample its outcome.

    A scorer that raises or returns nonsense gives `judge_failed` with its traceback; never 0.

    Args:
        task: The task that scores.
        items: What `read` gave.

    Returns:
        Row numbers with outcomes, one for each of `items`, in any order.
    """
    settled = [item for item in items if not isinstance(item, Ready)]
    return settled + _scored(task, [item for item in items if isinstance(item, Ready)])


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
        return restore(folder, item.response)
    except LedgerError as error:
        return Outcome(verdict=Verdict.MISSING, reason=str(error))


def _scored(task: Task, ready: Sequence[Ready]) -> list[tuple[int, Outcome]]:
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


def _called(task: Task, ready: Sequence[Ready]) -> list[Outcome]:
    outcomes: Any = _all_scored(task, ready)
    if len(outcomes) != len(ready):
        raise ContractError(
            f"`score_batch` returned {len(outcomes)} outcomes for {len(ready)} responses",
            "return one outcome per response, in their order",
        )
    return [sound(outcome) for outcome in outcomes]


def _all_scored(task: Task, ready: Sequence[Ready]) -> Any:
    """One outcome each; first samples in one batch, those that follow one by one."""
    first = [item for item in ready if item.earlier is None]
    pairs = [(item.sample, item.response) for item in first]
    outcomes: Any = task.score_batch(pairs) if pairs else []
    if len(first) == len(ready) or not isinstance(task, FollowUpTask):
        return outcomes
    left = iter(outcomes)
    return [
        task.score_after(item.sample, item.response, item.earlier) if item.earlier else next(left)
        for item in ready
    ]
