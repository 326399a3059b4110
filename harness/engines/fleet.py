"""What moves work and news between the driver and its workers.

Ray is one such thing, a simulation another; the driver can't tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

__all__ = ["Began", "Event", "Fleet", "Idle", "Lost", "Placed", "Ready", "Reported", "Unfit"]


class Placed(NamedTuple):
    """A worker has its place: its process runs on some machine, and begins to load."""

    worker: int
    """Number of the worker."""


class Ready(NamedTuple):
    """A worker has built what it needs."""

    worker: int
    """Number of the worker."""

    hello: Any
    """What it says about itself."""


class Unfit(NamedTuple):
    """A worker runs but can't be used: its model can't be built, or its code failed."""

    worker: int
    """Number of the worker."""

    reason: str
    """Why, for a user to read."""


class Began(NamedTuple):
    """A worker begins a batch."""

    worker: int
    """Number of the worker."""

    rows: Sequence[int]
    """Rows of the batch."""


class Reported(NamedTuple):
    """A worker has finished a batch."""

    worker: int
    """Number of the worker."""

    reports: Sequence[Any]
    """One per row; their first field is the row's number."""


class Idle(NamedTuple):
    """A worker has come to the end of its shard."""

    worker: int
    """Number of the worker."""


class Lost(NamedTuple):
    """A worker died, or its machine did."""

    worker: int
    """Number of the worker."""

    reason: str
    """What is known about it."""


Event: TypeAlias = Placed | Ready | Unfit | Began | Reported | Idle | Lost


class Fleet(Protocol):
    """Workers in roles, started, fed and stopped by the driver."""

    def start(self, role: str) -> int:
        """Ask for a worker and return its number.

        `Placed` follows once there is room for it, and `Ready` or `Unfit` once it has loaded;
        `Lost` may come instead of each.
        """

    def needs(self, role: str) -> str:
        """What a worker of a role needs of a machine and who has it, for a user to read."""

    def send(self, worker: int, work: Any) -> None:
        """Send a shard to an idle worker."""

    def stop(self, worker: int) -> None:
        """End a worker at once, whatever it does; no event of it follows."""

    def wait(self, timeout: float) -> Sequence[Event]:
        """Events that came since the last call; waits for one, at most `timeout` seconds."""

    def now(self) -> float:
        """Seconds on a clock that only moves forward."""
