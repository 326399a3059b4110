"""The status that a run's manifest has when the run ends early."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import BenchError, RunInterruptedError
from harness.records import RunManifest, RunStatus
from harness.run.folder import set_status
from harness.run.interruption import stopped

__all__ = ["status_kept"]


@contextmanager
def status_kept(folder: Path, manifest: RunManifest) -> Iterator[None]:
    """Leave the right status in the manifest, whatever ends the block.

    Raises:
        RunInterruptedError: Ctrl-C came twice; whatever else is raised inside passes through.
    """
    try:
        yield
    except RunInterruptedError:
        set_status(folder, manifest, RunStatus.INTERRUPTED)
        raise
    except KeyboardInterrupt:
        set_status(folder, manifest, RunStatus.INTERRUPTED)
        raise stopped() from None
    except BaseException:
        with suppress(BenchError):  # the disk may be full; the first error is the one to show
            set_status(folder, manifest, RunStatus.FAILED)
        raise
