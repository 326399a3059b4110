"""One task under many settings of a model: what each scores, and what it costs."""

from harness.sweep.points import points, read_vary
from harness.sweep.records import Sweep, SweepPoint
from harness.sweep.sweeping import sweep

__all__ = ["Sweep", "SweepPoint", "points", "read_vary", "sweep"]
