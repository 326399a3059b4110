"""Data in pieces that a page loads when it needs them.

A page opened from a disk may not fetch files, but it may add a script. So a shard is a script of
one call, `cheersBenchShard(name, value)`; in a single file it's a block of JSON.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.report.encoding import script_json

__all__ = ["PackedShards", "ShardWriter"]


class ShardWriter:
    """Writes shards into a folder.

    Args:
        folder: Where they go; it exists.
        scripts: Whether they are scripts; otherwise plain JSON, to be put into a page.
    """

    def __init__(self, folder: Path, *, scripts: bool) -> None:
        self._folder = folder
        self._scripts = scripts

    def write(self, name: str, items: Sequence[str]) -> None:
        """Write encoded items as one list.

        Args:
            name: Name of the shard; made of letters, digits and dashes.
            items: Each the `script_json` of a value.
        """
        body = "[" + ",\n".join(items) + "]"
        text = f'cheersBenchShard("{name}",{body});\n' if self._scripts else body
        suffix = "js" if self._scripts else "json"
        (self._folder / f"{name}.{suffix}").write_text(text, encoding="utf-8")


class PackedShards:
    """Packs a stream of values into shards of bounded count and size.

    Args:
        writer: Where shards go.
        prefix: Names are `prefix-0`, `prefix-1` and so on.
        count: Values of one shard at most.
        size: Characters of one shard at most, unless a single value is larger.
    """

    def __init__(self, writer: ShardWriter, prefix: str, *, count: int, size: int) -> None:
        self._writer = writer
        self._prefix = prefix
        self._count = count
        self._size = size
        self._items: list[str] = []
        self._length = 0
        self._added = 0
        self.starts: list[int] = []
        """Position of the first value of each shard."""

    def add(self, value: Any) -> None:
        """Take the next value."""
        item = script_json(value)
        full = len(self._items) >= self._count or self._length + len(item) > self._size
        if self._items and full:
            self.flush()
        if not self._items:
            self.starts.append(self._added)
        self._items.append(item)
        self._length += len(item)
        self._added += 1

    def flush(self) -> None:
        """Write what was gathered."""
        if self._items:
            self._writer.write(f"{self._prefix}-{len(self.starts) - 1}", self._items)
        self._items, self._length = [], 0

    def shard_of(self, position: int) -> int:
        """Number of the shard that holds a value.

        Raises:
            IndexError: There's no such value.
        """
        if not 0 <= position < self._added:
            raise IndexError(position)
        return bisect_right(self.starts, position) - 1
