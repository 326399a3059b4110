"""Ctrl-C: the first asks for a clean stop, the second stops at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from harness.errors import RunInterruptedError

__all__ = ["Interruption"]


class Interruption:
    """Catches SIGINT and SIGTERM while its block runs.

    The first signal only sets a flag that the engine looks at between batches. A second one
    raises `KeyboardInterrupt` where the program stands. Outside the main thread signals can't be
    caught, so there only `request` stops a run.
    """

    def __init__(self) -> None:
        self._requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def request(self) -> None:
        """Ask for a clean stop."""
        self._requested = True

    def check(self) -> None:
        """Stop here if that was asked for.

        Raises:
            RunInterruptedError: A stop was requested.
        """
        if self._requested:
            raise stopped()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True


def stopped() -> RunInterruptedError:
    """The error that ends an interrupted run."""
    return RunInterruptedError(
        "stopped on request; everything finished is stored",
        "repeat the same command to continue",
    )
