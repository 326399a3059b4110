"""The request that a stored response answers, made again and checked."""

from __future__ import annotations

from harness.ledger import Entry
from harness.records import Request
from harness.run.asking import request_digest
from harness.seeds import sample_seed
from harness.task import Task

__all__ = ["rebuild_request"]


def rebuild_request(task: Task, seed: int, entry: Entry) -> Request | None:
    """Make a sample's request again; whatever the task raises passes through.

    Args:
        task: The task, built with the options of the run.
        seed: Base seed of the run.
        entry: The sample, as the ledger has it.

    Returns:
        The request, pixel for pixel and letter for letter the one that was recorded; `None` if
        the task makes another one now, or the model wasn't asked.
    """
    sample = entry.sample
    request = task.request(sample, sample_seed(seed, task.metadata.name, sample.id, sample.k))
    return request if request_digest(request) == entry.request_digest else None
