"""What the phases of a run share."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.ledger import LedgerWriter
from harness.run.interruption import Interruption
from harness.run.progress import NoProgress, Progress
from harness.run.settings import EngineSettings

__all__ = ["Job"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run that is under way."""

    ledger: LedgerWriter
    """Ledger of its folder."""

    seed: int
    """Base seed."""

    batch_size: int | None = None
    """The user's batch size."""

    retry_errors: bool = False
    """Whether failed samples are tried again."""

    progress: Progress = field(default_factory=NoProgress)
    """Who is told how far it is."""

    interruption: Interruption = field(default_factory=Interruption)
    """How it's stopped."""

    settings: EngineSettings = field(default_factory=EngineSettings)
    """Sizes of buffers."""
