"""When to stop asking: the first attempts all failed, so the next ones would too."""

from __future__ import annotations

from harness.errors import RunFailedError

__all__ = ["FailureGuard"]


class FailureGuard:
    """Counts attempts until one succeeds.

    Args:
        task: Name of the task.
        limit: Failures without any success after which to give up.
        earlier: Successes of earlier runs of the same folder; they forgive a short streak of
            failures at the end, but not `limit` of them.
    """

    def __init__(self, task: str, limit: int, earlier: int) -> None:
        self._task = task
        self._limit = limit
        self._earlier = earlier
        self._succeeded = False
        self._failures = 0
        self._first = ""

    def note(self, error: str | None) -> None:
        """Take the result of one attempt; `None` is success."""
        if error is None:
            self._succeeded = True
        else:
            self._failures += 1
            self._first = self._first or error

    def check(self, *, last: bool = False) -> None:
        """Give up if nothing has worked.

        Args:
            last: Whether no attempt is left, so that fewer failures than the limit suffice.

        Raises:
            RunFailedError: All attempts failed; the first failure is shown.
        """
        if self._succeeded or not self._failures:
            return
        if self._failures >= self._limit or (last and not self._earlier):
            raise RunFailedError(
                f"task {self._task!r}: all {self._failures} attempted samples failed; the first "
                f"failure was:\n{self._first}",
                "fix the cause, then repeat the same command with --retry-errors; everything "
                "recorded is kept",
            )
