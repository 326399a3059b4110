"""Serving one batch: smaller batches when memory runs out, halves when something else fails."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from harness.adapter import ModelAdapter, perform
from harness.errors import AdapterError, NoResponseError
from harness.records import Response, Timing
from harness.run.absence import marked
from harness.run.asking import Ask
from harness.run.batches import BatchSizes
from harness.run.contract import check_count, check_response
from harness.run.memory import is_out_of_memory, release_memory

__all__ = ["Failure", "Served", "describe", "serve"]


class Failure(NamedTuple):
    """Why a call failed, as text: keeping the exception would keep its tensors alive."""

    text: str
    """Traceback, ending in the exception's message."""

    out_of_memory: bool = False
    """Whether a smaller batch may help."""

    whole: bool = False
    """Whether the batch failed as a whole, so that no part of it can be trusted."""


class Served(NamedTuple):
    """What became of one request: a response or a failure."""

    ask: Ask
    """The request."""

    response: Response | None
    """The response, checked against the adapter's contract."""

    error: str | None
    """Traceback if there is no response."""


def serve(adapter: ModelAdapter, batch: Sequence[Ask], sizes: BatchSizes) -> Iterator[Served]:
    """Send a batch to the model; every request comes back exactly once, served or failed.

    When memory runs out, the batch is halved and the smaller size remembered for its group. Any
    other exception halves the batch until the requests that fail are alone, so their neighbours
    are served. A batch with the wrong number of responses fails whole, because nothing says which
    response belongs to which request.
    """
    key, parts = batch[0].key, [list(batch)]
    while parts:
        part = parts.pop()
        if len(part) > sizes.size(key):  # also what was cut before the size shrank
            parts += _split(part, sizes.size(key))
            continue
        done = _attempt(adapter, part, sizes)
        if not isinstance(done, Failure):
            yield from done
        elif len(part) == 1 or done.whole:
            yield from (Served(ask, None, done.text) for ask in part)
        elif done.out_of_memory:
            release_memory()
            parts += _split(part, sizes.shrink(key, len(part)))
        else:
            parts += _split(part, (len(part) + 1) // 2)


def describe(error: BaseException) -> str:
    """Traceback of an exception, without the engine's own frames above the failing call."""
    trace = error.__traceback__
    inner = trace.tb_next if trace is not None and trace.tb_next is not None else trace
    return "".join(traceback.format_exception(type(error), error, inner)).strip()


def _split(asks: list[Ask], size: int) -> list[list[Ask]]:
    parts = [asks[start : start + size] for start in range(0, len(asks), size)]
    return parts[::-1]  # the caller takes from the end


def _attempt(adapter: ModelAdapter, asks: list[Ask], sizes: BatchSizes) -> list[Served] | Failure:
    requests = [ask.request for ask in asks]
    start = time.perf_counter()
    try:
        responses = perform(adapter, requests)
    except NoResponseError as error:
        return Failure(marked(error))
    except Exception as error:  # noqa: BLE001 -- whatever a model raises is a verdict, not a crash
        return Failure(describe(error), out_of_memory=is_out_of_memory(error))
    seconds = time.perf_counter() - start
    try:
        checked = check_count(requests, responses)
    except AdapterError as error:
        return Failure(f"AdapterError: {error}", whole=True)
    first = sizes.served(asks[0].key, len(asks))
    timing = Timing(total_s=seconds, batch_size=len(asks), first=first)
    return [_checked(ask, r, timing) for ask, r in zip(asks, checked, strict=True)]


def _checked(ask: Ask, response: Response, measured: Timing) -> Served:
    try:
        check_response(ask.request, response)
    except AdapterError as error:
        return Served(ask, None, f"AdapterError: {error}")
    timing = _completed(response.timing, measured)
    return Served(ask, msgspec.structs.replace(response, timing=timing), None)


def _completed(told: Timing, measured: Timing) -> Timing:
    """What the adapter told, or what was measured; a first batch is one in either case."""
    if told.total_s is None:
        return msgspec.structs.replace(measured, ttft_s=told.ttft_s)
    return msgspec.structs.replace(told, first=measured.first)
