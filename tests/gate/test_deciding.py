"""The rule: its four verdicts divide all evidence, and its errors are as rare as alpha says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.columns import ScoreColumn
from harness.gate.deciding import Reading, decide, decide_ratio, detectable_drop
from harness.gate.evidence import Columns, gather
from harness.gate.records import GateVerdict
from harness.records import MetricSpec
from harness.stats import (
    Interval,
    holm,
    paired_estimate,
    paired_interval,
    student_quantile,
)

ACCURACY = MetricSpec(name="accuracy", score="s")
VALUES = st.floats(-1, 1)


@given(VALUES, VALUES, st.floats(0, 1), st.floats(0.001, 0.5), st.floats(0, 0.5))
def test_more_evidence_of_a_drop_never_helps(
    value: float, low: float, p: float, margin: float, floor: float
):
    reading = Reading(value, min(low, value), p, 1 - p)
    worse = Reading(value - 0.1, min(low, value) - 0.1, p / 2, 1 - p / 2)
    order = [
        GateVerdict.REGRESSED,
        GateVerdict.UNDECIDED,
        GateVerdict.EQUIVALENT,
        GateVerdict.IMPROVED,
    ]
    limits = {"margin": margin, "floor": floor, "alpha": 0.05}
    assert order.index(decide(worse, **limits)) <= order.index(decide(reading, **limits))


@pytest.mark.parametrize(
    ("value", "low", "p_worse", "expected"),
    [
        (0.05, 0.01, 0.99, GateVerdict.IMPROVED),
        (0.01, -0.01, 0.6, GateVerdict.EQUIVALENT),
        (-0.01, -0.02, 0.001, GateVerdict.EQUIVALENT),  # worse for sure, within the margin
        (-0.05, -0.08, 0.001, GateVerdict.REGRESSED),
        (-0.05, -0.12, 0.2, GateVerdict.UNDECIDED),
        (0.05, -0.12, 0.8, GateVerdict.UNDECIDED),
    ],
)
def test_the_four_verdicts(value: float, low: float, p_worse: float, expected: GateVerdict):
    reading = Reading(value, low, p_worse, 1 - p_worse)
    assert decide(reading, margin=0.03, floor=0.0, alpha=0.05) is expected


def test_a_drop_within_the_floor_is_no_regression():
    reading = Reading(-0.04, -0.08, 0.001, 0.999)
    assert decide(reading, margin=0.05, floor=0.05, alpha=0.05) is GateVerdict.UNDECIDED


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.7, 0.9, GateVerdict.IMPROVED),
        (0.95, 1.05, GateVerdict.EQUIVALENT),
        (1.01, 1.09, GateVerdict.EQUIVALENT),
        (1.05, 1.4, GateVerdict.REGRESSED),
        (0.9, 1.2, GateVerdict.UNDECIDED),
    ],
)
def test_ratios_of_timings(low: float, high: float, expected: GateVerdict):
    interval = Interval(low, high, "m")
    assert decide_ratio(interval, interval, ratio=1.1) is expected


def _pair(rng: np.random.Generator, n: int, drop: float, churn: float, level: float = 0.8):
    """Scores of two models; `churn` of the samples change either way besides the drop."""
    first = (rng.random(n) < level).astype(float)
    second = np.where(rng.random(n) < churn, rng.random(n) < level, first).astype(float)
    lost = (rng.random(n) < drop / level) & (second > 0)
    return first, np.where(lost, 0.0, second)


def _column(values: np.ndarray, size: int = 1) -> ScoreColumn:
    n = np.arange(len(values), dtype=np.int64)
    return ScoreColumn(values, n // size, n * 0)


def _evidence(first: np.ndarray, second: np.ndarray):
    return gather("t", ACCURACY, Columns(_column(first), _column(second)), primary=True)


def _cleared(first: np.ndarray, second: np.ndarray, margin: float) -> bool:
    interval = _evidence(first, second).interval(0.9)
    return interval is not None and interval.low > -margin


SIZES = [(100, 0.03), (100, 0.05), (400, 0.02), (1000, 0.01)]


@pytest.mark.parametrize(
    ("n", "margin", "rounds"),
    [
        (100, 0.03, 300),
        *(pytest.param(*size, 3000, marks=pytest.mark.slow) for size in SIZES),
    ],
)
def test_a_drop_of_the_margin_is_rarely_cleared(n: int, margin: float, rounds: int):
    """Also where models hardly differ, so that a handful of flips decides."""
    rng = np.random.default_rng(1)
    wrong = sum(_cleared(*_pair(rng, n, margin, churn=0.0), margin) for _ in range(rounds))
    assert wrong / rounds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)


def test_the_plain_interval_would_clear_too_often():
    """What the score interval guards against."""
    rng, rounds, wrong = np.random.default_rng(1), 300, 0
    for _ in range(rounds):
        first, second = _pair(rng, 100, 0.03, churn=0.0)
        interval = paired_interval(paired_estimate(first, second, np.arange(100)), 0.9)
        wrong += interval.low > -0.03
    assert wrong / rounds > 0.15


def _verdicts(rng: np.random.Generator, drops: list[float], n: int, churn: float, margin: float):
    """Verdicts on several metrics at once, as `judge` gives them."""
    found = [_evidence(*_pair(rng, n, drop, churn)) for drop in drops]
    worse = [one.p_worse() or 0.0 for one in found]
    down, up = holm(worse), holm([1 - p for p in worse])
    for one, p_worse, p_better in zip(found, down, up, strict=True):
        low = one.interval(0.9).low
        reading = Reading(one.difference.difference, low, p_worse, p_better)
        yield decide(reading, margin=margin, floor=0.0, alpha=0.05)


@pytest.mark.parametrize("rounds", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_eight_metrics_raise_no_more_false_alarms_than_one(rounds: int):
    rng = np.random.default_rng(3)
    alarms = sum(
        GateVerdict.REGRESSED in list(_verdicts(rng, [0.0] * 8, 200, 0.2, 0.01))
        for _ in range(rounds)
    )
    assert alarms / rounds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)


@pytest.mark.parametrize("margin", [0.01, 0.05])
def test_the_detectable_drop_is_detected_in_eight_of_ten(margin: float):
    rng, n, churn = np.random.default_rng(4), 400, 0.3
    sizes = [_evidence(*_pair(rng, n, 0.08, churn)) for _ in range(30)]
    drops = [
        detectable_drop(
            one.standard_error, one.degrees, margin=margin, floor=0.0, alpha=0.05, metrics=1
        )
        for one in sizes
    ]
    drop = float(np.mean(drops))
    assert 0.03 < drop < 0.12
    rounds = 200
    # `_pair` loses drop / level of the right ones, which keep about level after the churn.
    seen = sum(
        next(_verdicts(rng, [drop], n, churn, margin)) is GateVerdict.REGRESSED
        for _ in range(rounds)
    )
    assert 0.7 <= seen / rounds <= 0.9


def test_nothing_is_detectable_without_an_error():
    nothing = {"margin": 0.1, "floor": 0.0, "alpha": 0.05, "metrics": 1}
    assert detectable_drop(0.0, 10, **nothing) is None
    assert detectable_drop(float("nan"), 10, **nothing) is None
    assert detectable_drop(0.1, 0, **nothing) is None


def test_a_floor_limits_what_is_detectable():
    plain = {"margin": 0.01, "alpha": 0.05, "metrics": 1}
    with_floor = detectable_drop(0.01, 50, floor=0.1, **plain)
    assert with_floor == pytest.approx(0.1 + 0.01 * student_quantile(0.6, 50))
    assert detectable_drop(0.01, 50, floor=0.0, **plain) < with_floor
