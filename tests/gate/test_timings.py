"""Ratios of timings: on one machine only, by quantiles, and never from a handful of rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.columns import ColumnBuilder
from harness.gate import GateVerdict, MetricRule, MetricVerdict, Policy, judge
from harness.gate.deciding import decide_ratio
from harness.gate.evidence import Columns, gather_ratio
from harness.records import MetricSpec
from harness.stats.clustered import Floats
from tests.gate.made import ENVIRONMENT, METRICS, made, rows


def timed(tmp_path: Path, name: str, factor: float, rounds: int = 40, **changes: Any) -> Path:
    """Rounds of about a second, a machine that slows down for a while, times a factor."""
    rng = np.random.default_rng(len(name))
    slow = 1 + 0.2 * np.sin(np.linspace(0, 3, rounds))
    seconds = slow * factor * rng.lognormal(0, 0.03, rounds)
    data = rows([1.0] * rounds, seconds=[float(value) for value in seconds])
    return made(tmp_path, name, {"t": data}, **changes)


def policy(name: str = "p50", ratio: float = 1.1, **more: Any) -> Policy:
    return Policy(tasks={"t": {name: MetricRule(ratio=ratio)}}, **more)


def judged(tmp_path: Path, factor: float, name: str = "p50", **more: Any) -> MetricVerdict:
    old, new = timed(tmp_path, "old", 1.0, **more), timed(tmp_path, "newer", factor, **more)
    return judge(old, new, policy(name)).metrics[0]


@pytest.mark.parametrize("name", ["p50", "p90", "speed"])
@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1.0, GateVerdict.EQUIVALENT),
        (1.3, GateVerdict.REGRESSED),
        (0.8, GateVerdict.IMPROVED),
    ],
)
def test_a_slower_candidate_fails(tmp_path: Path, name: str, factor: float, expected: GateVerdict):
    found = judged(tmp_path, factor, name)
    assert found.verdict is expected
    assert found.is_ratio
    assert found.difference == pytest.approx(factor, rel=0.05)
    assert found.low < factor < found.high
    assert found.margin == 1.1


def test_the_median_of_ratios_uses_order_statistics(tmp_path: Path):
    assert judged(tmp_path, 1.0).method == "order statistics"
    assert judged(tmp_path, 1.0, "p90").method == "paired cluster bootstrap"


def test_a_handful_of_rounds_is_undecided(tmp_path: Path):
    found = judged(tmp_path, 2.0, rounds=3)
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason == "3 rounds are too few for a 90% interval, which takes 5"


def jittered(tmp_path: Path, name: str, seconds: Floats, task: str = "t") -> Path:
    data = rows([1.0] * len(seconds), seconds=seconds.tolist())
    return made(tmp_path, name, {task: data})


@pytest.mark.parametrize(("name", "fewest"), [("p90", 29), ("p99", 299)])
@pytest.mark.parametrize("rounds", [3, 5, 10, 20])
@pytest.mark.parametrize("factor", [1.0, 1.1, 3.0])
def test_high_quantiles_of_few_rounds_are_undecided(
    tmp_path: Path, name: str, fewest: int, rounds: int, factor: float
):
    rng = np.random.default_rng(rounds)
    old, new = rng.lognormal(0, 0.1, (2, rounds))
    paths = jittered(tmp_path, "old", old), jittered(tmp_path, "new", factor * new)
    found = judge(*paths, policy(name)).metrics[0]
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason.startswith(f"{rounds} rounds are too few for a 90% interval")
    assert found.reason.endswith(f"which takes {fewest}")


@pytest.mark.parametrize(("name", "rounds"), [("p90", 29), ("p99", 299)])
def test_enough_rounds_are_judged(tmp_path: Path, name: str, rounds: int):
    """More metrics need wider intervals, and so more rounds."""
    rng = np.random.default_rng(0)
    old, new = rng.lognormal(0, 0.1, (2, rounds))
    paths = jittered(tmp_path, "old", old), jittered(tmp_path, "new", 2 * new)
    assert judge(*paths, policy(name)).metrics[0].verdict is GateVerdict.REGRESSED
    both = Policy(tasks={"t": {name: MetricRule(ratio=1.1), "speed": MetricRule(ratio=1.1)}})
    first, second = judge(*paths, both).metrics
    assert (first.verdict, second.verdict) == (GateVerdict.UNDECIDED, GateVerdict.REGRESSED)
    assert "for a 95% interval" in first.reason


def errors(name: str, rounds: int, times: int) -> tuple[int, int]:
    """How often equal candidates are called slower, and such slower by the ratio are cleared."""
    rng, spec = np.random.default_rng(1), next(spec for spec in METRICS if spec.name == name)
    alarms = cleared = 0
    for _ in range(times):
        old, new = rng.lognormal(0, 0.1, (2, rounds))
        (alike,), (slower,) = (
            gather_ratio(spec, columns(spec, old, factor * new), (0.9,)) for factor in (1.0, 1.1)
        )
        alarms += decide_ratio(alike, alike, ratio=1.1) is GateVerdict.REGRESSED
        cleared += slower.high < 1.1
    said = f"{alarms / times:.1%} called slower, {cleared / times:.1%} cleared"
    print(f"{name} of {rounds} rounds: {said}")  # noqa: T201
    return alarms, cleared


def test_high_quantiles_err_as_seldom_as_they_say():
    """At the fewest rounds that are judged, where the bootstrap is at its worst."""
    # Of 150, a chance of 5% brings more than 13 in one case of a hundred.
    assert max(errors("p90", 29, 150)) <= 13


def test_fewer_rounds_would_err_more_often():
    assert min(errors("p99", 3, 200)) > 30


@pytest.mark.slow
def test_the_highest_quantile_errs_as_seldom_as_it_says():
    assert max(errors("p99", 299, 150)) <= 13


def columns(spec: MetricSpec, old: Floats, new: Floats) -> Columns:
    sides = []
    for seconds in (old, new):
        builder = ColumnBuilder(spec)
        for row in rows([1.0] * len(seconds), seconds=seconds.tolist()):
            builder.add(row)
        sides.append(builder.column())
    return Columns(*sides)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"cpu": "B"}, "cpu A and B"),
        ({"gpu": "H100"}, "gpu None and H100"),
        ({"threads": 8}, "threads 2 and 8"),
        ({"packages": {"torch": "2.8"}}, "torch 2.9 and 2.8"),
        ({"packages": {}}, "torch 2.9 and none"),
    ],
)
def test_other_machines_are_not_compared(tmp_path: Path, changed: dict[str, Any], why: str):
    other = msgspec.structs.replace(ENVIRONMENT, **changed)
    old, new = timed(tmp_path, "old", 1.0), timed(tmp_path, "new", 1.0, environment=other)
    report = judge(old, new, policy())
    assert report.exit_code == 2
    assert report.metrics[0].reason == f"timed on another machine or software: {why}"


def test_the_code_under_test_may_differ(tmp_path: Path):
    other = msgspec.structs.replace(
        ENVIRONMENT, commit="def", packages={"torch": "2.9", "cheers-bench": "2"}
    )
    old, new = timed(tmp_path, "old", 1.0), timed(tmp_path, "newer", 1.0, environment=other)
    assert judge(old, new, policy()).exit_code == 0


def test_runs_of_other_days_are_not_compared(tmp_path: Path):
    old = timed(tmp_path, "old", 1.0)
    new = timed(tmp_path, "newer", 1.0, created="2026-01-03T00:00:00+00:00")
    report = judge(old, new, policy())
    assert report.metrics[0].reason == "timed 48 hours apart; the policy allows 24"
    assert judge(old, new, policy(hours=72.0)).exit_code == 0


def test_without_a_policy_timings_are_left_out(tmp_path: Path):
    old = timed(tmp_path, "old", 1.0, primary="p50")
    report = judge(old, old)
    assert report.metrics == ()
    assert "only where a policy gives them a ratio" in report.ignored[0].reason
