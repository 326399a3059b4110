"""Engines beyond one process: shards, a scheduler that knows no Ray, and Ray beneath it."""

from harness.engines.fleet import Fleet
from harness.engines.shards import Cut, Rows, Shard, cut

__all__ = ["Cut", "Fleet", "Rows", "Shard", "cut"]
