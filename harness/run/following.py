"""Samples that follow others: the response that they are about, read back from the ledger."""

from __future__ import annotations

from harness.errors import NoResponseError
from harness.ledger import Ledger
from harness.records import Request, Response, Sample
from harness.run.restoring import restore
from harness.task import FollowUpTask, Task

__all__ = ["Earlier", "follows", "make_request"]


def follows(task: Task, sample: Sample) -> tuple[str, int] | None:
    """The sample that one follows; `None` for a first one, as all are in most tasks."""
    return task.follows(sample) if isinstance(task, FollowUpTask) else None


class Earlier:
    """Gives the responses that samples of a task follow.

    The last one is kept, since those that follow one sample are neighbours.

    Args:
        ledger: Ledger of the run, open.
        task: The task.
    """

    def __init__(self, ledger: Ledger, task: Task) -> None:
        self._ledger, self._task = ledger, task
        self._last: tuple[tuple[str, int], Response] | None = None

    def __call__(self, sample: Sample) -> Response | None:
        """The response that a sample follows; `None` for a first one.

        Raises:
            NoResponseError: The model gave none.
            LedgerError: Its picture is gone or spoilt.
        """
        return self.response(follows(self._task, sample))

    def response(self, key: tuple[str, int] | None) -> Response | None:
        """The response to a sample; `None` for none, where the task itself needn't be asked.

        Args:
            key: What `follows` says of the sample that comes after it.

        Raises:
            NoResponseError: The model gave none.
            LedgerError: Its picture is gone or spoilt.
        """
        if key is None:
            return None
        if self._last is None or self._last[0] != key:
            self._last = key, self._read(key)
        return self._last[1]

    def _read(self, key: tuple[str, int]) -> Response:
        entry = self._ledger.sample(self._task.metadata.name, *key)
        if entry.response is None:
            raise NoResponseError(
                f"it follows sample {key[0]}#{key[1]}, to which there is no response", missing=True
            )
        return restore(self._ledger.folder, entry.response)


def make_request(task: Task, sample: Sample, seed: int, earlier: Response | None) -> Request:
    """A sample's request, made from the response that it follows if it follows one.

    Args:
        task: The task.
        sample: The sample.
        seed: `sample_seed(...)` of the sample.
        earlier: That response; `None` for a first sample.
    """
    if earlier is None or not isinstance(task, FollowUpTask):
        return task.request(sample, seed)
    return task.request_after(sample, earlier, seed)
