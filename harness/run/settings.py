"""How the engine works internally; no setting here changes a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.ledger import Pending

__all__ = ["EngineSettings"]


def _as_planned(page: list[Pending]) -> list[Pending]:
    return page


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """Sizes of the engine's buffers, and the order of work for tests of invariance."""

    page: int = 256
    """Samples read from the ledger at once."""

    waiting_batches: int = 8
    """Batches' worth of requests that may wait for others that share their batch."""

    waiting_limit: int = 256
    """Requests that may wait, whatever the batch size."""

    give_up_after: int = 20
    """First attempts that may all fail before a task is given up."""

    encoders: int = 2
    """Threads that encode pictures while the model works."""

    encoder_queue: int = 32
    """Pictures that may wait for an encoder."""

    ahead: int = 16
    """Requests made at once ahead of the model, and responses scored at once behind it, to begin
    with; more where they take microseconds."""

    early_scores: bool = True
    """Whether responses may be scored while the model goes on."""

    decoders: int = 2
    """Threads that decode stored pictures while others are scored."""

    score_batch: int = 64
    """Responses given to a scorer at once."""

    rearrange: Callable[[list[Pending]], list[Pending]] = _as_planned
    """Order in which the samples of a page are asked; results don't depend on it."""
