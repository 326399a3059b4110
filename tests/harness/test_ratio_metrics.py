"""F1, precision, recall and ratios as metrics: values, pooling, bounds, comparison."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.aggregate import compute_metric
from harness.columns import ColumnBuilder
from harness.compare.measuring import measure_difference
from harness.compare.records import Change, Difference
from harness.errors import DataError, SpecError
from harness.records import (
    Aggregation,
    MetricSpec,
    MetricValue,
    Outcome,
    Sample,
    ScoredSample,
    Verdict,
)
from tasks.scoring.yesno import binary_scores

CLASSIFYING = (Aggregation.PRECISION, Aggregation.RECALL, Aggregation.F1)
ANSWERS = st.lists(
    st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no", None])),
    min_size=1,
    max_size=40,
)


def spec(aggregation: Aggregation, **changes: object) -> MetricSpec:
    return MetricSpec(
        name="m",
        score="predicted",
        over="actual",
        aggregation=aggregation,
        **changes,  # type: ignore[arg-type]
    )


def row(
    id_: str,
    predicted: float | None,
    actual: float = 1.0,
    k: int = 0,
    category: str | None = None,
) -> ScoredSample:
    known = predicted is not None
    return ScoredSample(
        sample=Sample(id=id_, k=k, category=category),
        outcome=Outcome(
            verdict=Verdict.OK if known else Verdict.ERRORED,
            scores={"predicted": predicted, "actual": actual} if known else {},
        ),
    )


def rows(*pairs: tuple[float | None, float]) -> list[ScoredSample]:
    return [row(str(i), predicted, actual) for i, (predicted, actual) in enumerate(pairs)]


@given(ANSWERS)
def test_values_are_those_of_popes_scorer(pairs: list[tuple[str, str | None]]):
    """`binary_scores` is held to recorded reports of the original; its 0/0 is 0."""
    data = rows(*((float(said == "yes"), float(true == "yes")) for true, said in pairs))
    theirs = binary_scores(pairs)
    for aggregation in CLASSIFYING:
        ours = compute_metric(spec(aggregation), data).value
        assert (ours or 0.0) == pytest.approx(getattr(theirs, aggregation.value))
    yes = compute_metric(MetricSpec(name="yes_ratio", score="predicted"), data)
    assert yes.value == pytest.approx(theirs.yes_ratio)


def test_pooled_rows_weigh_as_often_as_they_are_repeated():
    """A question of two of POPE's splits is two repeats; the interval still counts it once."""
    plain = [row(f"q{i}", float(i % 4 != 0), float(i % 2)) for i in range(40)]
    pooled = [
        row(r.sample.id, r.outcome.scores["predicted"], r.outcome.scores["actual"], k, split)
        for r in plain
        for k, split in enumerate(["random", "popular"] if r.sample.id != "q1" else ["random"])
    ]
    one, two = (compute_metric(spec(Aggregation.F1), data) for data in (plain, pooled))
    assert (one.n, two.n, two.clusters) == (40, 79, 40)
    assert two.high - two.low == pytest.approx(one.high - one.low, rel=0.05)
    split = compute_metric(spec(Aggregation.F1, category="popular"), pooled)
    assert split.n == 39


def test_a_rate_and_a_perplexity():
    data = [
        ScoredSample(
            sample=Sample(id=str(i)),
            outcome=Outcome(verdict=Verdict.OK, scores={"predicted": loss, "actual": tokens}),
        )
        for i, (loss, tokens) in enumerate([(2.0, 4.0), (6.0, 12.0), (1.0, 8.0)])
    ]
    rate = compute_metric(spec(Aggregation.RATIO, high=None), data)
    assert rate.value == pytest.approx(9 / 24)
    perplexity = compute_metric(spec(Aggregation.EXP_RATIO, low=1.0, high=None), data)
    assert perplexity.value == pytest.approx(np.exp(9 / 24))
    assert 1 <= perplexity.low < perplexity.value < perplexity.high


def _filled(data: list[ScoredSample], fill: tuple[tuple[float, float], ...]) -> list[ScoredSample]:
    hidden = iter(fill)
    return [r if r.outcome.verdict.is_known else row(r.sample.id, *next(hidden)) for r in data]


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=8
    ),
    st.integers(1, 3),
    st.sampled_from(CLASSIFYING),
)
def test_bounds_hold_whatever_the_unknown_samples_are(
    pairs: list[tuple[float, float]], unknown: int, aggregation: Aggregation
):
    data = rows(*pairs, *[(None, 0.0)] * unknown)
    metric = compute_metric(spec(aggregation), data)
    if metric.value is None:
        return
    each = list(itertools.product([0.0, 1.0], repeat=2))
    possible = [
        compute_metric(spec(aggregation), _filled(data, fill)).value
        for fill in itertools.product(each, repeat=unknown)
    ]
    reached = [value for value in possible if value is not None]
    assert metric.bound_low == pytest.approx(min(reached))
    assert metric.bound_high == pytest.approx(max(reached))


def test_a_ratio_is_bounded_only_where_weights_are():
    """An unknown sample of a share weighs at most 1, of a word error rate anything."""
    share = compute_metric(spec(Aggregation.RATIO), rows((1, 1), (0, 1), (0, 0), (None, 0)))
    assert (share.bound_low, share.bound_high) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    weighted = compute_metric(spec(Aggregation.RATIO), rows((1, 7), (0, 9), (None, 0)))
    assert weighted.value == pytest.approx(1 / 16)
    assert weighted.bound_low is weighted.bound_high is None


def test_nothing_called_is_unknown_and_not_zero():
    metric = compute_metric(spec(Aggregation.PRECISION), rows((0, 1), (0, 0)))
    assert metric == MetricValue(name="m", value=None, n=2, clusters=2)
    assert compute_metric(spec(Aggregation.RECALL), rows((0, 1), (0, 0))).value == 0


def test_samples_without_one_of_the_scores_are_left_out():
    lone = ScoredSample(
        sample=Sample(id="x"), outcome=Outcome(verdict=Verdict.OK, scores={"predicted": 1.0})
    )
    assert compute_metric(spec(Aggregation.F1), [*rows((1, 1)), lone]).n == 1


@pytest.mark.parametrize(
    ("aggregation", "scores", "hint"),
    [
        (Aggregation.F1, (0.5, 1.0), "0 or 1"),
        (Aggregation.RECALL, (1.0, 2.0), "0 or 1"),
        (Aggregation.RATIO, (1.0, -1.0), "isn't negative"),
    ],
)
def test_scores_that_do_not_fit_are_refused(
    aggregation: Aggregation, scores: tuple[float, float], hint: str
):
    with pytest.raises(DataError, match=rf"sample 0#0(.|\n)*{hint}"):
        compute_metric(spec(aggregation), rows(scores))


def test_a_metric_of_two_scores_names_both():
    with pytest.raises(SpecError, match=r"f1 aggregates two scores(.|\n)*over"):
        ColumnBuilder(MetricSpec(name="m", score="predicted", aggregation=Aggregation.F1))


def _difference(
    aggregation: Aggregation, first: list[ScoredSample], second: list[ScoredSample]
) -> Difference:
    builders = [ColumnBuilder(spec(aggregation)) for _ in range(2)]
    for builder, data in zip(builders, (first, second), strict=True):
        for one in data:
            builder.add(one)
    columns = [builder.column() for builder in builders]
    return measure_difference("t", builders[0].spec, *columns, protocol_hash="h", primary=True)


def _run(wrong: float, seed: int = 0, pictures: int = 80) -> list[ScoredSample]:
    rng = np.random.default_rng(seed)
    return [
        row(
            f"p{i}",
            float((i + k) % 2) if rng.random() > wrong else float((i + k + 1) % 2),
            float((i + k) % 2),
            k,
        )
        for i in range(pictures)
        for k in range(4)
    ]


@pytest.mark.parametrize("aggregation", CLASSIFYING)
def test_a_planted_drop_is_found(aggregation: Aggregation):
    found = _difference(aggregation, _run(0.1), _run(0.3, seed=1))
    assert found.change is Change.WORSE
    assert found.low < found.difference < found.high < 0
    assert found.p_method == "swapped clusters"
    assert 0 < found.detectable < 0.2
    assert found.only_first > found.only_second > 0


def test_equal_runs_do_not_differ():
    data = _run(0.2)
    found = _difference(Aggregation.F1, data, data)
    assert (found.difference, found.p_value, found.change) == (0, 1, Change.UNCLEAR)


def test_a_run_that_never_says_yes_has_no_precision_to_compare():
    silent = rows(*[(0.0, float(i % 2)) for i in range(6)])
    found = _difference(
        Aggregation.PRECISION, rows(*[(1.0, float(i % 2)) for i in range(6)]), silent
    )
    assert (found.first, found.second, found.change) == (0.5, None, Change.UNKNOWN)


def test_flips_of_a_rate_are_samples_with_another_rate():
    first = rows((1, 4), (2, 4), (0, 0))
    found = _difference(Aggregation.RATIO, first, rows((2, 4), (2, 4), (0, 0)))
    assert (found.only_first, found.only_second) == (0, 1)
