"""Point estimates and 95% intervals, clustered by prompt; paired differences and their power."""

from harness.stats.bootstrap import bootstrap_mean, bootstrap_weights
from harness.stats.clustered import Estimate, estimate_mean, student_quantile
from harness.stats.intervals import LEVEL, Interval, clip, student_interval, wilson_interval
from harness.stats.paired import (
    Discordance,
    discordance,
    holm,
    mcnemar_exact,
    paired_estimate,
    paired_interval,
    sign_flip_test,
)
from harness.stats.power import minimum_detectable_difference, power_at
from harness.stats.quantiles import (
    bootstrap_quantile_difference,
    quantile,
    quantile_interval,
)
from harness.stats.sequential import BettingSequence, Look, SequentialGate, Stop

__all__ = [
    "LEVEL",
    "BettingSequence",
    "Discordance",
    "Estimate",
    "Interval",
    "Look",
    "SequentialGate",
    "Stop",
    "bootstrap_mean",
    "bootstrap_quantile_difference",
    "bootstrap_weights",
    "clip",
    "discordance",
    "estimate_mean",
    "holm",
    "mcnemar_exact",
    "minimum_detectable_difference",
    "paired_estimate",
    "paired_interval",
    "power_at",
    "quantile",
    "quantile_interval",
    "sign_flip_test",
    "student_interval",
    "student_quantile",
    "wilson_interval",
]
