"""The engine of cheers-bench: records, registry, runner, ledger, statistics, tables.

It knows no benchmark and no model; both come through the registry.
"""

from harness.adapter import ModelAdapter, VisionTokens
from harness.errors import BenchError
from harness.task import FollowUpTask, Probe, Task

__all__ = ["BenchError", "FollowUpTask", "ModelAdapter", "Probe", "Task", "VisionTokens"]
