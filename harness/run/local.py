"""The local engine: one model in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from harness.adapter import ModelAdapter
from harness.errors import RunFailedError
from harness.models import build_model
from harness.records import Fingerprint, ModelCard
from harness.run.batches import BatchSizes
from harness.run.generating import generate
from harness.run.job import Job
from harness.run.measuring import measure
from harness.run.tasks import PlannedTask
from harness.runspec import RunSpec
from harness.task import Probe

__all__ = ["LocalEngine"]


class LocalEngine:
    """Drives one model in this process."""

    @contextmanager
    def open(
        self,
        spec: RunSpec,
        tasks: Sequence[PlannedTask],  # noqa: ARG002 -- other engines build them elsewhere
        say: Callable[[str], None],  # noqa: ARG002 -- nothing is waited for
    ) -> Iterator[LocalSession]:
        """Build the adapter; see `Engine.open`."""
        session = LocalSession(build_model(spec.model))
        try:
            yield session
        finally:
            session.close()


class LocalSession:
    """An adapter of this process; see `Session`.

    Args:
        adapter: The model.
    """

    def __init__(self, adapter: ModelAdapter) -> None:
        self._adapter = adapter
        self._weights = ExitStack()
        self._weights.callback(adapter.close)

    @property
    def card(self) -> ModelCard:
        """The adapter's card."""
        return self._adapter.card

    def fingerprint(self) -> Fingerprint:
        """The adapter's fingerprint."""
        return self._adapter.fingerprint()

    def ask(self, job: Job, able: Sequence[PlannedTask]) -> list[RunFailedError]:
        """Ask about one task after the other; one that is given up doesn't keep others from it."""
        sizes, failures = BatchSizes(self._adapter, job.batch_size), []
        for task in able:
            try:
                if isinstance(task.task, Probe):
                    measure(job, task, self._adapter)
                else:
                    generate(job, task, self._adapter, sizes)
            except RunFailedError as error:
                job.progress.message(given_up(task.name, error))
                failures.append(error)
        return failures

    def close(self) -> None:
        """Close the adapter, once."""
        self._weights.close()


def given_up(task: str, error: RunFailedError) -> str:
    """What a user is told at once about a task whose samples all fail."""
    return f"{task}: given up, {error.what.splitlines()[-1]}"
