"""Many requests at a time, each sent once even if its batch has to be split around a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.records import Response

__all__ = ["Crowd"]


class Crowd:
    """Serves batches with several threads.

    The runner halves a batch that fails until the failing requests are alone. What was paid for
    must not be asked again, so the outcomes of a failed batch are kept until its parts have come.

    Args:
        concurrency: Most requests at a time.
    """

    def __init__(self, concurrency: int) -> None:
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="openai")
        self._kept: dict[int, tuple[Any, Response | Exception]] = {}

    def serve(self, requests: Sequence[Any], ask: Callable[[Any], Response]) -> list[Response]:
        """The responses to all requests, in order.

        Raises:
            Exception: Whatever the first failing request raised, after all others have ended.
        """
        outcomes = self._outcomes(requests, ask)
        failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if failures and len(requests) > 1:
            for request, outcome in zip(requests, outcomes, strict=True):
                self._kept[id(request)] = (request, outcome)
        else:
            for request in requests:
                self._kept.pop(id(request), None)
        if failures:
            raise failures[0]
        return [outcome for outcome in outcomes if isinstance(outcome, Response)]

    def close(self) -> None:
        """Start nothing more; threads that still wait for the server end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _outcomes(
        self, requests: Sequence[Any], ask: Callable[[Any], Response]
    ) -> list[Response | Exception]:
        if all(id(request) in self._kept for request in requests):
            return [self._kept[id(request)][1] for request in requests]
        self._kept.clear()  # another batch: the parts of the last one have all come

        def outcome(request: Any) -> Response | Exception:
            try:
                return ask(request)
            except Exception as error:  # noqa: BLE001 -- raised again by whoever serves the batch
                return error

        return list(self._threads.map(outcome, requests))
