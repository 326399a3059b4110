"""The rule: its four verdicts divide all evidence, and its errors are as rare as alpha says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.columns import ScoreColumn
from harness.gate.deciding import Reading, decide, decide_ratio, detectable_drop
from harness.gate.evidence import Columns, gather
from harness.gate.records import GateVerdict
from harness.records import Aggregation, MetricSpec
from harness.stats import (
    Interval,
    PlainError,
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


def _sees(n: int, churn: float, margin: float, rounds: int = 40) -> float:
    """Median drop that the gate says it sees, of models that are equal."""
    rng = np.random.default_rng(4)
    found = [_evidence(*_pair(rng, n, 0.0, churn)).known for _ in range(rounds)]
    drops = [detectable_drop(known, **ONE | {"margin": margin}) for known in found]
    return float(np.median([drop for drop in drops if drop is not None]))


ONE = {"margin": 0.01, "floor": 0.0, "alpha": 0.05, "metrics": 1}


@pytest.mark.parametrize(
    ("n", "churn", "margin", "rounds"),
    [
        (400, 0.3, 0.01, 200),
        (400, 0.02, 0.01, 200),
        (400, 0.3, 0.05, 200),
        *(
            pytest.param(n, churn, 0.01, 2000, marks=pytest.mark.slow)
            for n in (100, 400, 1000)
            for churn in (0.02, 0.05, 0.1, 0.3)
        ),
    ],
)
def test_what_the_gate_sees_it_finds_in_about_eight_of_ten(
    n: int, churn: float, margin: float, rounds: int
):
    """Whether models churn a lot or hardly: then the drop itself makes most of the flips."""
    drop = _sees(n, churn, margin)
    rng = np.random.default_rng(5)
    found = sum(
        next(_verdicts(rng, [drop], n, churn, margin)) is GateVerdict.REGRESSED
        for _ in range(rounds)
    )
    assert 0.62 <= found / rounds <= 0.92


def test_nothing_is_detectable_without_an_error():
    assert detectable_drop(PlainError(0.0, 10), **ONE) is None
    assert detectable_drop(PlainError(float("nan"), 10), **ONE) is None
    assert detectable_drop(PlainError(0.1, 0), **ONE) is None


def test_a_floor_limits_what_is_detectable():
    known = PlainError(0.01, 50)
    with_floor = detectable_drop(known, **ONE | {"floor": 0.1})
    assert with_floor == pytest.approx(0.1 + 0.01 * student_quantile(0.6, 50))
    assert detectable_drop(known, **ONE) < with_floor


SOFT = MetricSpec(name="anls", score="s", low=0.0, high=1.0)
F1 = MetricSpec(name="f1", score="s", over="o", aggregation=Aggregation.F1, low=0.0, high=1.0)


def _one_soft_score(rng: np.random.Generator, n: int, drop: float) -> Columns:
    """0/1 scores but for one that stays at a half."""
    pair = [np.append(scores, 0.5) for scores in _pair(rng, n, drop, churn=0.0)]
    return Columns(*(_column(scores) for scores in pair))


def _graded(rng: np.random.Generator, n: int, drop: float) -> Columns:
    """Scores as VQA gives them; a few of those above 0 are lost altogether."""
    levels, odds = [0.0, 0.3, 0.6, 0.9, 1.0], [0.25, 0.1, 0.1, 0.15, 0.4]
    first = rng.choice(levels, n, p=odds)
    lost = rng.random(n) < drop / float(np.dot(levels, odds))
    return Columns(_column(first), _column(np.where(lost, 0.0, first)))


@pytest.mark.parametrize("make", [_one_soft_score, _graded])
@pytest.mark.parametrize(
    ("n", "margin", "rounds"),
    [(100, 0.03, 300), *(pytest.param(*s, 3000, marks=pytest.mark.slow) for s in SIZES[2:])],
)
def test_soft_scores_are_as_careful_as_rights_and_wrongs(
    make: Callable[..., Columns], n: int, margin: float, rounds: int
):
    rng, wrong = np.random.default_rng(6), 0
    for _ in range(rounds):
        found = gather("t", SOFT, make(rng, n, margin), primary=True)
        wrong += found.interval(0.9).low > -margin
    assert wrong / rounds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)


def _called(rng: np.random.Generator, n: int, misses: float) -> tuple[np.ndarray, ...]:
    """Truth, a model's calls, and those of a model that misses some of its true positives."""
    truth = rng.random(n) < 0.5
    calls = truth ^ (rng.random(n) < 0.15)
    return truth, calls, calls & ~(truth & (rng.random(n) < misses))


def _f1_columns(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> Columns:
    n = np.arange(len(truth), dtype=np.int64)
    return Columns(
        *(
            ScoreColumn(2.0 * (truth & calls), n, n * 0, truth * 1.0 + calls)
            for calls in (first, second)
        )
    )


def _f1(truth: np.ndarray, calls: np.ndarray) -> float:
    return 2 * float(np.sum(truth & calls)) / float(np.sum(truth) + np.sum(calls))


@pytest.mark.parametrize("rounds", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_drop_of_f1_is_rarely_cleared(rounds: int):
    truth, calls, worse = _called(np.random.default_rng(0), 10**6, 0.05)
    margin = _f1(truth, calls) - _f1(truth, worse)
    assert 0.02 < margin < 0.03
    rng, wrong = np.random.default_rng(7), 0
    for _ in range(rounds):
        found = gather("t", F1, _f1_columns(*_called(rng, 300, 0.05)), primary=True)
        wrong += found.interval(0.9).low > -margin
    assert wrong / rounds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / rounds)


def test_no_flip_is_no_certainty_about_f1():
    truth, calls, _ = _called(np.random.default_rng(1), 200, 0.0)
    low, high, _ = gather("t", F1, _f1_columns(truth, calls, calls), primary=True).interval(0.9)
    assert low < -0.01 < 0.01 < high
