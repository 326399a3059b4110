"""Task families: tasks that are made on demand from what stands behind a colon."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from harness.task import Task

__all__ = ["TaskFamily"]


class TaskFamily(abc.ABC):
    """Makes the task classes of the names `FAMILY:REST`.

    An instance is registered in the entry-point group `cheers_bench.task_families`; the name of
    the entry is FAMILY. Importing it loads nothing heavy.
    """

    summary: ClassVar[str]
    """One sentence for `cheers-bench list`."""

    @abc.abstractmethod
    def task(self, rest: str) -> type[Task]:
        """The task class of a name.

        Args:
            rest: What stands behind `FAMILY:`, e.g. a task of another harness, or a file.

        Returns:
            A class whose `metadata.name` is the whole name, `FAMILY:REST`. Making it loads neither
            a model nor the data.

        Raises:
            UnknownNameError: The family has no such task; the remedy names close ones.
            BenchError: The task can't be described here, e.g. because a package is missing.
        """
