"""Point estimates and 95% intervals, clustered by prompt."""

from harness.stats.bootstrap import bootstrap_mean, bootstrap_weights
from harness.stats.clustered import Estimate, estimate_mean, student_quantile
from harness.stats.intervals import LEVEL, Interval, clip, student_interval, wilson_interval
from harness.stats.quantiles import quantile, quantile_interval

__all__ = [
    "LEVEL",
    "Estimate",
    "Interval",
    "bootstrap_mean",
    "bootstrap_weights",
    "clip",
    "estimate_mean",
    "quantile",
    "quantile_interval",
    "student_interval",
    "student_quantile",
    "wilson_interval",
]
