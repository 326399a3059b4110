"""Several runs one after another, each resumed like any run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from harness.run.execute import execute
from harness.run.progress import NoProgress, Progress
from harness.runspec import RunSpec

__all__ = ["MakeProgress", "execute_each"]

MakeProgress: TypeAlias = Callable[[], AbstractContextManager[Progress]]
"""Makes who is told how far a run is."""


def execute_each(
    specs: Iterable[RunSpec],
    *,
    progress: MakeProgress | None = None,
    command: Sequence[str] = (),
) -> None:
    """Carry out runs in order; what was finished stays where a later one fails.

    Args:
        specs: The runs, each with a folder of its own.
        progress: Makes who is told, anew for each run; `None` is nobody.
        command: Command line for the manifests.

    Raises:
        BenchError: As `execute`.
    """
    for spec in specs:
        with progress() if progress else nullcontext(NoProgress()) as told:
            execute(spec, progress=told, command=command)
