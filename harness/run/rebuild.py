"""The request that a stored response answers, made again and checked."""

from __future__ import annotations

from harness.ledger import Entry, Ledger
from harness.records import Request
from harness.run.asking import request_digest
from harness.run.following import Earlier, make_request
from harness.seeds import sample_seed
from harness.task import Task

__all__ = ["rebuild_request"]


def rebuild_request(task: Task, seed: int, entry: Entry, ledger: Ledger) -> Request | None:
    """Make a sample's request again; whatever the task raises passes through.

    Args:
        task: The task, built with the options of the run.
        seed: Base seed of the run.
        entry: The sample, as the ledger has it.
        ledger: The run's, open: the sample may follow another.

    Returns:
        The request, pixel for pixel and letter for letter the one that was recorded; `None` if
        the task makes another one now, or the model wasn't asked.
    """
    sample = entry.sample
    own = sample_seed(seed, task.metadata.name, sample.id, sample.k)
    request = make_request(task, sample, own, Earlier(ledger, task)(sample))
    return request if request_digest(request) == entry.request_digest else None
