"""Ctrl-C in the middle of a call stops the call, and spoils nothing."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.conformance.records import NotApplicable, WrongError
from harness.conformance.subject import Subject
from harness.records import Capability

__all__ = ["cancellation"]

_MOMENTS = (0.3, 0.7)
"""When the calls are interrupted, in shares of the time that they take."""

_SOON = 0.001
"""Seconds after which an interruption that came at a bad moment comes again."""

_LEAST = 0.05
"""Seconds that calls are repeated for, so that quick ones can be hit."""


def cancellation(subject: Subject) -> str:
    """A call that Ctrl-C interrupts ends at once, and the next one gives what it always gave."""
    if not hasattr(signal, "setitimer") or not _in_main_thread():
        raise NotApplicable("signals reach a process's main thread, on Unix")
    counts = [_cancel(subject, capability) for capability in subject.capabilities]
    return f"{sum(counts)} calls were interrupted"


def _cancel(subject: Subject, capability: Capability) -> int:
    requests = subject.requests(capability)
    before = subject.alone(requests[:1])
    start = time.perf_counter()
    subject.together(requests)
    repeats = math.ceil(_LEAST / max(time.perf_counter() - start, 1e-4))

    def work() -> None:
        for _ in range(repeats):
            subject.together(requests)

    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    hit = sum(_interrupted(work, share * seconds, capability) for share in _MOMENTS)
    for _, said in subject.differences(before, subject.alone(requests[:1])):
        raise WrongError(f"{capability.value}: after an interrupted call: {said}")
    return hit


def _interrupted(work: Callable[[], None], after: float, capability: Capability) -> bool:
    """Whether the work was interrupted before it was done.

    Raises:
        WrongError: The interruption was swallowed, or came out as something else.
    """
    with _alarm(after) as rung:
        try:
            work()
        except KeyboardInterrupt:
            return True
        except BaseException as error:
            if not rung:
                raise
            raise WrongError(
                f"{capability.value}: Ctrl-C came out as {type(error).__name__}; "
                "let KeyboardInterrupt pass"
            ) from error
        if rung:
            raise WrongError(f"{capability.value}: Ctrl-C was swallowed; let it pass")
    return False


@contextmanager
def _alarm(after: float) -> Iterator[list[bool]]:
    """Ctrl-C after some seconds; the list holds something once it has come.

    An alarm of somebody else's, such as a test's time limit, is put back.
    """
    rung: list[bool] = []

    def ring(_: int, frame: FrameType | None) -> None:
        if _is_logging(frame):
            signal.setitimer(signal.ITIMER_REAL, _SOON)
            return
        rung.append(True)
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, ring)
    others = signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *others)


def _is_logging(frame: FrameType | None) -> bool:
    """Whether a message is being logged.

    Python's lock on logging isn't always given back after an exception from a signal, and other
    threads of this process, which goes on, would wait for it for ever.
    """
    while frame is not None:
        if frame.f_globals.get("__name__") == logging.__name__:
            return True
        frame = frame.f_back
    return False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
