"""Answers and scores of a batch as responses, for any model that speaks as hf-vlm's do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from harness.records import AnswerRequest, LogLikelihoodRequest, Response, Timing, Usage
from harness.seeds import stream_seed
from model_adapters.hf_vlm.answering import Answer, decode, searches_alone
from model_adapters.hf_vlm.inputs import Inputs
from model_adapters.hf_vlm.likelihood import loglikelihoods
from model_adapters.hf_vlm.loading import Checkpoint

__all__ = ["answered", "scored"]

_Prepare: TypeAlias = Callable[[Sequence[AnswerRequest] | Sequence[LogLikelihoodRequest]], Inputs]
"""Makes the tensors of a batch; what it takes is part of the time."""


def answered(
    checkpoint: Checkpoint, prepare: _Prepare, requests: Sequence[AnswerRequest], device: str
) -> list[Response]:
    """Answer a batch; beams are searched row by row.

    Args:
        checkpoint: Model and processor.
        prepare: Makes the tensors of requests.
        requests: They share one decoding.
        device: Where the model is.

    Raises:
        AdapterError: A prompt doesn't fit the context, or beams are to be sampled.
    """
    if searches_alone(requests[0].decoding) and len(requests) > 1:
        return [answered(checkpoint, prepare, [request], device)[0] for request in requests]
    start = time.perf_counter()
    inputs = prepare(requests)
    seeds = [stream_seed(request.seed, "sampling") for request in requests]
    answers = decode(checkpoint, inputs, requests[0].decoding, seeds, device)
    timing = Timing(
        ttft_s=None if answers.first is None else answers.first - start,
        total_s=time.perf_counter() - start,
        batch_size=len(requests),
    )
    return [_response(answer, inputs, row, timing) for row, answer in enumerate(answers.rows)]


def scored(
    checkpoint: Checkpoint, prepare: _Prepare, requests: Sequence[LogLikelihoodRequest]
) -> list[Response]:
    """Score every continuation; each prompt and its pictures are read once.

    Args:
        checkpoint: Model and processor.
        prepare: Makes the tensors of requests.
        requests: The batch.

    Raises:
        AdapterError: A continuation has no tokens, or doesn't fit the context.
    """
    start = time.perf_counter()
    inputs = prepare(requests)
    found = loglikelihoods(checkpoint, inputs, [request.continuations for request in requests])
    timing = Timing(total_s=time.perf_counter() - start, batch_size=len(requests))
    return [
        Response(loglikelihoods=values, usage=_usage(inputs, row), timing=timing)
        for row, values in enumerate(found)
    ]


def _response(answer: Answer, inputs: Inputs, row: int, timing: Timing) -> Response:
    return Response(
        text=answer.text,
        finish_reason=answer.finish,
        usage=_usage(inputs, row, answer.tokens),
        timing=timing,
    )


def _usage(inputs: Inputs, row: int, completion_tokens: int | None = None) -> Usage:
    return Usage(
        prompt_tokens=inputs.text_tokens(row),
        completion_tokens=completion_tokens,
        vision_tokens=inputs.vision_tokens[row],
    )
