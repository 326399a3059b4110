"""How long answers were: times of a terse model and of a talkative one don't compare."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.records import JsonValue, Response, ScoredSample

__all__ = ["LENGTHS", "answer_lengths", "length_notes", "length_score"]

LENGTHS = "completion_tokens"
"""Name of the score, and of the list of all lengths in a sample's details."""


def answer_lengths(responses: Sequence[Response]) -> dict[str, JsonValue]:
    """Generated tokens of every response, as a sample's details hold them."""
    return {LENGTHS: [response.usage.completion_tokens for response in responses]}


def length_score(responses: Sequence[Response]) -> dict[str, float]:
    """Median of the generated tokens; nothing where a response doesn't tell them.

    Example:
        >>> length_score([])
        {}
    """
    counts = [response.usage.completion_tokens for response in responses]
    known = [count for count in counts if count is not None]
    return {LENGTHS: float(statistics.median(known))} if known and len(known) == len(counts) else {}


def length_notes(scored: Sequence[ScoredSample], wanted: int) -> tuple[str, ...]:
    """Which answers didn't have the length that was asked for.

    Args:
        scored: All samples of a probe; those without lengths in their details aren't answers.
        wanted: Tokens that every answer was to have; 0 is any length.
    """
    if not wanted:
        return ()
    found: dict[str, list[Any]] = {}
    for row in scored:
        details: Mapping[str, Any] = row.outcome.details
        found.setdefault(str(row.sample.category), []).extend(details.get(LENGTHS, ()))
    others = [
        f"{name} ({_span(lengths)})"
        for name, lengths in found.items()
        if any(length != wanted for length in lengths)
    ]
    why = f"answers not held to {wanted} tokens, so that a terse model looks fast"
    return (f"{why}: {', '.join(others)}",) if others else ()


def _span(lengths: Sequence[int | None]) -> str:
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths):
        return "not counted"
    return f"{min(known)}" if min(known) == max(known) else f"{min(known)} to {max(known)}"
