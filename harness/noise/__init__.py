"""How much a task's metrics differ between seeds, measured by repeating it."""

from harness.noise.records import Components, MetricNoise, NoiseReport, family
from harness.noise.store import read_noise, write_noise

__all__ = [
    "Components",
    "MetricNoise",
    "NoiseReport",
    "family",
    "read_noise",
    "write_noise",
]
