"""Where the model runs: the seam between a run and what drives its model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from harness.errors import RunFailedError
from harness.records import Fingerprint, ModelCard
from harness.run.job import Job
from harness.run.tasks import PlannedTask
from harness.runspec import RunSpec

__all__ = ["Engine", "Session"]


class Session(Protocol):
    """A model that is ready to be asked, in this process or elsewhere."""

    @property
    def card(self) -> ModelCard:
        """What the model is and can do."""

    def fingerprint(self) -> Fingerprint:
        """Identity of what will produce the responses."""

    def ask(self, job: Job, able: Sequence[PlannedTask]) -> list[RunFailedError]:
        """Ask the model about every sample that has no response yet, and store what comes.

        Args:
            job: The run.
            able: Applicable tasks whose samples are in the ledger.

        Returns:
            The tasks that were given up, as errors.

        Raises:
            RunFailedError: Nothing can be asked at all.
            RunInterruptedError: A stop was requested; everything finished is stored.
            LedgerError: Storage failed.
        """

    def close(self) -> None:
        """Give back the memory of the model; may be called again."""


class Engine(Protocol):
    """Makes a session for a run; see `harness.run.local` and `harness.engines`."""

    def open(
        self, spec: RunSpec, tasks: Sequence[PlannedTask], say: Callable[[str], None]
    ) -> AbstractContextManager[Session]:
        """Build the model; leaving the block frees all that was started for it.

        Args:
            spec: The run.
            tasks: Its tasks.
            say: Told what a user should know meanwhile.

        Raises:
            BenchError: The model can't be built.
        """
