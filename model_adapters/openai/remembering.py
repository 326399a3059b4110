"""Many requests at a time, each sent once even if its batch has to be split around a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from harness.errors import AdapterError
from harness.records import Response

__all__ = ["Crowd"]

_Outcome = Response | BaseException


class Crowd:
    """Serves batches with several threads.

    The runner halves a batch that fails until the failing requests are alone. What was paid for
    must not be asked again, so the outcomes of a failed batch are kept until its parts have come.

    The threads are daemons: `ThreadPoolExecutor` joins its own when the program ends, which would
    make Ctrl-C wait for the slowest request.

    Args:
        concurrency: Most requests at a time.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._closed = Event()
        self._kept: dict[int, tuple[Any, _Outcome]] = {}

    def serve(self, requests: Sequence[Any], ask: Callable[[Any], Response]) -> list[Response]:
        """The responses to all requests, in order.

        Raises:
            Exception: Whatever the first failing request raised, after all others have ended.
        """
        outcomes = self._outcomes(requests, ask)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
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
        """Start nothing more; threads that still wait for the server don't keep the program."""
        self._closed.set()

    def _outcomes(self, requests: Sequence[Any], ask: Callable[[Any], Response]) -> list[_Outcome]:
        if all(id(request) in self._kept for request in requests):
            return [self._kept[id(request)][1] for request in requests]
        self._kept.clear()  # another batch: the parts of the last one have all come
        waiting: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        done: SimpleQueue[tuple[int, _Outcome]] = SimpleQueue()
        for numbered in enumerate(requests):
            waiting.put(numbered)
        for _ in range(min(self._concurrency, len(requests))):
            Thread(target=self._work, args=(waiting, done, ask), name="openai", daemon=True).start()
        try:
            found = dict(done.get() for _ in requests)
        finally:
            _empty(waiting)  # Ctrl-C came: nothing more is sent
        return [found[n] for n in range(len(requests))]

    def _work(
        self,
        waiting: SimpleQueue[tuple[int, Any]],
        done: SimpleQueue[tuple[int, _Outcome]],
        ask: Callable[[Any], Response],
    ) -> None:
        while True:
            try:
                number, request = waiting.get_nowait()
            except Empty:
                return
            done.put((number, self._outcome(request, ask)))

    def _outcome(self, request: Any, ask: Callable[[Any], Response]) -> _Outcome:
        if self._closed.is_set():
            return AdapterError("the adapter was closed before this request was sent", "")
        try:
            return ask(request)
        except BaseException as error:  # noqa: BLE001 -- raised again by whoever serves the batch
            return error


def _empty(queue: SimpleQueue[Any]) -> None:
    with suppress(Empty):
        while True:
            queue.get_nowait()
