"""Records to rows and back. Fields at their defaults are stored as NULL."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from harness.records import (
    FinishReason,
    Outcome,
    Sample,
    StoredResponse,
    Timing,
    Usage,
    Verdict,
)

__all__ = [
    "OUTCOME_COLUMNS",
    "RESPONSE_COLUMNS",
    "SAMPLE_COLUMNS",
    "outcome_from",
    "outcome_row",
    "printable",
    "response_from",
    "response_row",
    "sample_from",
    "sample_row",
]

SAMPLE_COLUMNS = "s.id, s.k, s.cluster, s.category, s.target, s.data"
RESPONSE_COLUMNS = (
    "r.text, r.image_path, r.image_sha256, r.loglikelihoods, r.is_greedy, r.finish_reason, "
    "r.usage, r.timing"
)
OUTCOME_COLUMNS = "o.verdict, o.reason, o.scores, o.details"

Row = tuple[Any, ...]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_scores = msgspec.json.Decoder(dict[str, float]).decode
_decode_usage = msgspec.json.Decoder(Usage).decode
_decode_timing = msgspec.json.Decoder(Timing).decode
_NO_USAGE, _NO_TIMING = Usage(), Timing()
_VERDICTS = {verdict.value: verdict for verdict in Verdict}
_FINISHES = {reason.value: reason for reason in FinishReason}


def printable(text: str) -> str:
    """`text` with lone surrogates, which no database or file takes, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def sample_row(sample: Sample) -> Row:
    """Columns `SAMPLE_COLUMNS` of a sample."""
    return (
        sample.id,
        sample.k,
        sample.cluster,
        sample.category,
        None if sample.target is None else _encode(sample.target),
        _encode(sample.data) if sample.data else None,
    )


def sample_from(row: Row) -> Sample:
    """The sample of columns `SAMPLE_COLUMNS`."""
    return Sample(
        id=row[0],
        k=row[1],
        cluster=row[2],
        category=row[3],
        target=None if row[4] is None else _decode(row[4]),
        data=_decode(row[5]) if row[5] else {},
    )


def response_row(response: StoredResponse) -> Row:
    """Columns `RESPONSE_COLUMNS` of a response."""
    likelihoods = response.loglikelihoods
    return (
        response.text,
        response.image_path,
        response.image_sha256,
        # The standard library writes -Infinity, which a log-likelihood may be.
        None if likelihoods is None else json.dumps(likelihoods),
        None if response.is_greedy is None else json.dumps(response.is_greedy),
        response.finish_reason.value,
        None if response.usage == _NO_USAGE else _encode(response.usage),
        None if response.timing == _NO_TIMING else _encode(response.timing),
    )


def response_from(row: Row) -> StoredResponse:
    """The response of columns `RESPONSE_COLUMNS`."""
    return StoredResponse(
        text=row[0],
        image_path=row[1],
        image_sha256=row[2],
        loglikelihoods=None if row[3] is None else tuple(json.loads(row[3])),
        is_greedy=None if row[4] is None else tuple(json.loads(row[4])),
        finish_reason=_FINISHES[row[5]],
        usage=_decode_usage(row[6]) if row[6] else _NO_USAGE,
        timing=_decode_timing(row[7]) if row[7] else _NO_TIMING,
    )


def outcome_row(outcome: Outcome) -> Row:
    """Columns `OUTCOME_COLUMNS` of an outcome.

    Raises:
        TypeError: The details hold something that JSON can't express.
        UnicodeEncodeError: The details hold lone surrogates.
    """
    return (
        outcome.verdict.value,
        printable(outcome.reason) if outcome.reason else None,
        _encode(outcome.scores) if outcome.scores else None,
        _encode(outcome.details) if outcome.details else None,
    )


def outcome_from(row: Row) -> Outcome:
    """The outcome of columns `OUTCOME_COLUMNS`."""
    return Outcome(
        verdict=_VERDICTS[row[0]],
        reason=row[1] or "",
        scores=_decode_scores(row[2]) if row[2] else {},
        details=_decode(row[3]) if row[3] else {},
    )
