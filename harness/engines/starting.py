"""Workers that aren't ready yet: those that wait for a place, and those that load."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Starting"]

_FIRST_WORD, _LONGEST_SILENCE = 10.0, 600.0  # seconds until users hear of a wait, then doubling


class Starting:
    """Workers of one role between being asked for and being ready.

    Loading has a limit. Waiting for a place has none, because only the user knows how long a
    queue or a cloud may take; users are told at growing intervals what is waited for.

    Args:
        within: Seconds that a worker may load.
    """

    def __init__(self, within: float) -> None:
        self._within = within
        self._waiting: dict[int, float] = {}  # since when; longest first, as below
        self._loading: dict[int, float] = {}
        self._silence = 0.0
        self._tell_at = float("inf")

    def __len__(self) -> int:
        """All of them."""
        return len(self._waiting) + len(self._loading)

    def __contains__(self, worker: int) -> bool:
        """Whether a worker is one of them."""
        return worker in self._waiting or worker in self._loading

    def __iter__(self) -> Iterator[int]:
        """All of them, those without a place first."""
        return iter([*self._waiting, *self._loading])

    @property
    def loading(self) -> int:
        """How many have their place."""
        return len(self._loading)

    def ask(self, worker: int, now: float) -> None:
        """A worker was asked for."""
        if not self._waiting:
            self._silence, self._tell_at = _FIRST_WORD, now + _FIRST_WORD
        self._waiting[worker] = now

    def place(self, worker: int, now: float) -> None:
        """Its process runs, and begins to load."""
        del self._waiting[worker]
        self._loading[worker] = now

    def remove(self, worker: int) -> bool:
        """It's ready or lost; whether it was one of them."""
        return {self._waiting.pop(worker, None), self._loading.pop(worker, None)} != {None}

    def late(self, now: float) -> list[int]:
        """Workers that load for too long."""
        return [n for n, since in self._loading.items() if now - since >= self._within]

    def overdue(self, now: float) -> tuple[int, float] | None:
        """How many wait for a place, and the seconds of the longest wait; if it's time to tell."""
        if not self._waiting or now < self._tell_at:
            return None
        self._silence = min(_LONGEST_SILENCE, 2 * self._silence)
        self._tell_at = now + self._silence
        return len(self._waiting), now - next(iter(self._waiting.values()))

    def until(self) -> float:
        """The next moment at which `late` or `overdue` may have something to say."""
        loads = next(iter(self._loading.values()), float("inf")) + self._within
        return min(loads, self._tell_at if self._waiting else float("inf"))
