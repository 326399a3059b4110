"""Point estimates and 95% intervals, clustered by prompt; paired differences and their power."""

from harness.stats.bootstrap import bootstrap_mean, bootstrap_sums, bootstrap_weights, cluster_sums
from harness.stats.changes import Split, independent_change, paired_change
from harness.stats.clustered import Estimate, estimate_mean, student_quantile
from harness.stats.intervals import LEVEL, Interval, clip, student_interval, wilson_interval
from harness.stats.moves import Moves, PlainError, measure_moves
from harness.stats.paired import (
    Discordance,
    discordance,
    holm,
    mcnemar_exact,
    paired_estimate,
    paired_interval,
    sign_flip_test,
)
from harness.stats.paired_shares import paired_share_interval
from harness.stats.power import minimum_detectable_difference, power_at
from harness.stats.quantiles import (
    bootstrap_quantile_difference,
    bootstrap_quantile_differences,
    fewest_samples,
    quantile,
    quantile_interval,
)
from harness.stats.ratios import (
    Parts,
    bootstrap_ratio,
    bootstrap_ratio_difference,
    f1_interval,
    paired_ratio_estimate,
    ratio,
    ratio_estimate,
    ratio_interval,
    swap_ratio_test,
)
from harness.stats.sequential import BettingSequence, Look, SequentialGate, Stop

__all__ = [
    "LEVEL",
    "BettingSequence",
    "Discordance",
    "Estimate",
    "Interval",
    "Look",
    "Moves",
    "Parts",
    "PlainError",
    "SequentialGate",
    "Split",
    "Stop",
    "bootstrap_mean",
    "bootstrap_quantile_difference",
    "bootstrap_quantile_differences",
    "bootstrap_ratio",
    "bootstrap_ratio_difference",
    "bootstrap_sums",
    "bootstrap_weights",
    "clip",
    "cluster_sums",
    "discordance",
    "estimate_mean",
    "f1_interval",
    "fewest_samples",
    "holm",
    "independent_change",
    "mcnemar_exact",
    "measure_moves",
    "minimum_detectable_difference",
    "paired_change",
    "paired_estimate",
    "paired_interval",
    "paired_ratio_estimate",
    "paired_share_interval",
    "power_at",
    "quantile",
    "quantile_interval",
    "ratio",
    "ratio_estimate",
    "ratio_interval",
    "sign_flip_test",
    "student_interval",
    "student_quantile",
    "swap_ratio_test",
    "wilson_interval",
]
