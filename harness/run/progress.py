"""Progress: bars on a terminal, plain lines in a log, nothing in library use."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["NoProgress", "PlainProgress", "Progress", "RichProgress", "make_progress"]


class Progress(Protocol):
    """What the engine tells about its work."""

    def start(self, task: str, phase: str, total: int, done: int) -> None:
        """A phase of a task begins, with `done` of `total` samples finished earlier."""

    def advance(self, count: int) -> None:
        """`count` more samples of the current phase are finished."""

    def message(self, text: str) -> None:
        """Something a user should read."""

    def finish(self) -> None:
        """The current phase has ended."""


class NoProgress:
    """Says nothing."""

    def start(self, task: str, phase: str, total: int, done: int) -> None:  # noqa: ARG002
        """Say nothing."""
        return

    def advance(self, count: int) -> None:  # noqa: ARG002
        """Say nothing."""
        return

    def message(self, text: str) -> None:  # noqa: ARG002
        """Say nothing."""
        return

    def finish(self) -> None:
        """Say nothing."""
        return


class PlainProgress:
    """A line every few seconds, for logs and pipes.

    Args:
        stream: Where lines go.
        every_s: Seconds between lines of one phase.
        clock: Source of seconds.
    """

    def __init__(
        self,
        stream: IO[str],
        every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._every = every_s
        self._clock = clock
        self._name, self._total, self._done, self._new = "", 0, 0, 0
        self._started = self._said = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        return

    def start(self, task: str, phase: str, total: int, done: int) -> None:
        """Say what begins."""
        self._name, self._total, self._done, self._new = f"{task}: {phase}", total, done, 0
        self._started = self._said = self._clock()
        earlier = f", {done} done earlier" if done else ""
        self.message(f"{self._name} {total} samples{earlier}")

    def advance(self, count: int) -> None:
        """Say how far the phase is, if it's time."""
        self._done += count
        self._new += count
        if self._clock() - self._said >= self._every:
            self._said = self._clock()
            self.message(self._line())

    def message(self, text: str) -> None:
        """Write one line."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def finish(self) -> None:
        """Say how long the phase took."""
        if self._new:
            seconds = self._clock() - self._started
            self.message(f"{self._name} {self._done}/{self._total} done in {_clock_time(seconds)}")

    def _line(self) -> str:
        rate = max(self._new, 1) / max(self._clock() - self._started, 1e-9)
        left = (self._total - self._done) / rate
        return (
            f"{self._name} {self._done}/{self._total}, {rate:.3g}/s, about {_clock_time(left)} left"
        )


class RichProgress:
    """A bar per phase with rate and remaining time; use it as a context manager.

    Args:
        console: Terminal to draw on; `None` is standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich import progress
        from rich.console import Console as RichConsole

        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=console or RichConsole(stderr=True),
        )
        self._bar: TaskID | None = None
        self._new = 0
        self._started = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, task: str, phase: str, total: int, done: int) -> None:
        """Add a bar."""
        from rich.markup import escape

        self._new, self._started = 0, time.monotonic()
        self._bar = self._bars.add_task(
            escape(f"{task}: {phase}"), total=total, completed=done, rate=""
        )

    def advance(self, count: int) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        self._new += count
        rate = self._new / max(time.monotonic() - self._started, 1e-9)
        self._bars.update(self._bar, advance=count, rate=f"{rate:.3g}/s")

    def message(self, text: str) -> None:
        """Print above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)

    def finish(self) -> None:
        """Leave the bar as it is."""
        self._bar = None


def make_progress(stream: IO[str] | None = None) -> RichProgress | PlainProgress:
    """Bars if `stream` (standard error by default) is a terminal, plain lines otherwise."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        return PlainProgress(stream)
    from rich.console import Console

    return RichProgress(Console(file=stream))


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
