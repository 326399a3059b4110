"""Homogeneous batches out of a stream of requests, with bounded waiting."""

from __future__ import annotations

from collections.abc import Iterator

from harness.adapter import ModelAdapter
from harness.records import First
from harness.run.asking import Ask, GroupKey
from harness.run.settings import EngineSettings

__all__ = ["BatchSizes", "Batcher"]


class BatchSizes:
    """Batch size of each group: the user's or the adapter's, less where memory ran out.

    It lives as long as the model in its process, so it also knows which batches were first ones.

    Args:
        adapter: The model, asked where the user names no size.
        wanted: The user's batch size.
    """

    def __init__(self, adapter: ModelAdapter, wanted: int | None) -> None:
        self._adapter = adapter
        self._wanted = wanted
        self._sizes: dict[GroupKey, int] = {}
        self._served: dict[type, set[int]] = {}

    def size(self, key: GroupKey) -> int:
        """Requests that a batch of this group may hold."""
        found = self._sizes.get(key)
        if found is None:
            preferred = self._wanted or self._adapter.preferred_batch_size(key.kind.capability)  # type: ignore[attr-defined]
            found = self._sizes[key] = max(1, preferred)
        return found

    def shrink(self, key: GroupKey, failed: int) -> int:
        """Halve the size that failed, remember it for the group, and return it."""
        self._sizes[key] = max(1, min(self.size(key), failed // 2))
        return self._sizes[key]

    def served(self, key: GroupKey, count: int) -> First | None:
        """Note that a batch was served; whether it was the model's first of its kind or size."""
        sizes = self._served.setdefault(key.kind, set())
        first = None if count in sizes else First.SIZE if sizes else First.KIND
        sizes.add(count)
        return first


class Batcher:
    """Gathers requests by group until a batch is full.

    At most `waiting_batches` batches' worth of requests wait; then the fullest group goes, full
    or not. What a batch is made of never changes a result, only its speed.

    Args:
        sizes: Batch sizes per group.
        settings: Limits of waiting.
    """

    def __init__(self, sizes: BatchSizes, settings: EngineSettings) -> None:
        self._sizes = sizes
        self._settings = settings
        self._groups: dict[GroupKey, list[Ask]] = {}
        self._waiting = 0

    def add(self, ask: Ask) -> list[Ask] | None:
        """Take a request; return a batch if one is to be served now."""
        group = self._groups.setdefault(ask.key, [])
        group.append(ask)
        self._waiting += 1
        size = self._sizes.size(ask.key)
        if len(group) >= size:
            return self._take(ask.key)
        if self._waiting >= self._limit(size):
            return self._take(max(self._groups, key=lambda key: len(self._groups[key])))
        return None

    def drain(self) -> Iterator[list[Ask]]:
        """Return the batches that are left, each of one group."""
        while self._groups:
            yield self._take(next(iter(self._groups)))

    def _limit(self, size: int) -> int:
        settings = self._settings
        return min(settings.waiting_limit, max(2, settings.waiting_batches * size))

    def _take(self, key: GroupKey) -> list[Ask]:
        batch = self._groups.pop(key)
        self._waiting -= len(batch)
        return batch
