"""Does a candidate go through? Verdicts per metric against a baseline, under a policy."""

from harness.gate.judging import judge
from harness.gate.policy import DEFAULT_POLICY, MetricRule, Policy, Seeds, Undecided
from harness.gate.policy_file import read_policy
from harness.gate.records import Changed, GateReport, GateVerdict, MetricVerdict, Saving

__all__ = [
    "DEFAULT_POLICY",
    "Changed",
    "GateReport",
    "GateVerdict",
    "MetricRule",
    "MetricVerdict",
    "Policy",
    "Saving",
    "Seeds",
    "Undecided",
    "judge",
    "read_policy",
]
