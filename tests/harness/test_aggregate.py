"""Aggregation: every rule by hand, and what isn't known stays unknown."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.aggregate import aggregate, compute_metric
from harness.ratios import RATIOS
from harness.records import (
    Aggregation,
    MetricSpec,
    Outcome,
    Sample,
    ScoredSample,
    TaskStatus,
    Verdict,
)
from tests.harness.toys import metadata

UNKNOWN = (Verdict.ERRORED, Verdict.JUDGE_FAILED, Verdict.MISSING)


def row(
    id_: str,
    score: float | None,
    k: int = 0,
    category: str | None = None,
    verdict: Verdict | None = None,
) -> ScoredSample:
    known = {} if score is None else {"correct": score}
    found = verdict or (Verdict.MISSING if score is None else Verdict.OK)
    return ScoredSample(
        sample=Sample(id=id_, k=k, category=category), outcome=Outcome(verdict=found, scores=known)
    )


def rows(*scores: float | None) -> list[ScoredSample]:
    return [row(str(i), score) for i, score in enumerate(scores)]


SIMPLE = [aggregation for aggregation in Aggregation if aggregation not in RATIOS]


def spec(aggregation: Aggregation = Aggregation.MEAN, **changes: object) -> MetricSpec:
    return MetricSpec(name="m", score="correct", aggregation=aggregation, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (Aggregation.MEAN, 0.5),
        (Aggregation.SUM, 2.0),
        (Aggregation.MEDIAN, 0.5),
        (Aggregation.P90, 1.0),
        (Aggregation.P95, 1.0),
        (Aggregation.P99, 1.0),
    ],
)
def test_simple_rules(aggregation: Aggregation, expected: float):
    assert compute_metric(spec(aggregation), rows(0, 1, 1, 0)).value == pytest.approx(expected)


CIRCULAR = [
    row(q, s, k) for q, scores in {"a": (1, 1), "b": (1, 0)}.items() for k, s in enumerate(scores)
]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (Aggregation.ALL_IN_CLUSTER, 0.5),
        (Aggregation.ANY_IN_CLUSTER, 1.0),
        (Aggregation.MEAN, 0.75),
    ],
)
def test_cluster_rules(aggregation: Aggregation, expected: float):
    metric = compute_metric(spec(aggregation), CIRCULAR)
    assert metric.value == expected
    assert metric.clusters == 2


def test_mean_of_categories_weighs_categories_alike():
    data = [row("a", 1, category="x"), *[row(f"b{i}", 0, category="y") for i in range(9)]]
    assert compute_metric(spec(Aggregation.MEAN_OF_CATEGORIES), data).value == 0.5
    assert compute_metric(spec(), data).value == pytest.approx(0.1)


def test_category_restricts():
    data = [row("a", 1, category="x"), row("b", 0, category="y")]
    metric = compute_metric(spec(category="y"), data)
    assert (metric.value, metric.n) == (0, 1)


@pytest.mark.parametrize("verdict", UNKNOWN)
def test_unknown_is_neither_right_nor_wrong(verdict: Verdict):
    data = [*rows(1, 1, 0), row("lost", None, verdict=verdict)]
    metric = compute_metric(spec(), data)
    assert metric.value == pytest.approx(2 / 3)
    assert (metric.bound_low, metric.bound_high) == (0.5, 0.75)
    assert metric.n == 3


def test_unparsed_scores_as_its_task_said():
    data = [*rows(1), row("u", 0.0, verdict=Verdict.UNPARSED)]
    metric = compute_metric(spec(), data)
    assert metric.value == 0.5
    assert metric.bound_low is None


def test_a_cluster_with_an_unknown_sample_is_unknown():
    data = [*CIRCULAR, row("c", 1, 0), row("c", None, 1)]
    metric = compute_metric(spec(Aggregation.ALL_IN_CLUSTER), data)
    assert metric.value == 0.5
    assert (metric.bound_low, metric.bound_high) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_samples_without_the_score_are_left_out():
    data = [*rows(1, 0), ScoredSample(sample=Sample(id="x"), outcome=Outcome(verdict=Verdict.OK))]
    assert compute_metric(spec(), data).n == 2


def test_an_unknown_sample_adds_one_point_to_a_total_at_most():
    total = MetricSpec(name="m", score="correct", aggregation=Aggregation.SUM, high=1000.0)
    lost = row("lost", None, verdict=Verdict.ERRORED)
    metric = compute_metric(total, [*rows(1.0, 0.0), lost])
    assert (metric.bound_low, metric.bound_high) == (1.0, 2.0)
    graded = compute_metric(total, [*rows(1.0, 2.5), lost])
    assert (graded.bound_low, graded.bound_high) == (None, None)


def test_unbounded_metrics_have_no_bounds():
    metric = compute_metric(spec(low=None, high=None), [*rows(3, 5), row("lost", None)])
    assert metric.value == 4
    assert metric.bound_low is metric.bound_high is None


@pytest.mark.parametrize("data", [[], [row("a", None)]])
def test_nothing_known_is_no_number(data: list[ScoredSample]):
    metric = compute_metric(spec(), data)
    assert metric.value is None
    assert metric.low is None


SCORES = st.lists(st.sampled_from([0.0, 0.25, 1.0, None]), min_size=1, max_size=30)


@given(SCORES, st.sampled_from(SIMPLE))
def test_numbers_are_ordered_and_in_range(scores: list[float | None], aggregation: Aggregation):
    metric = compute_metric(spec(aggregation), rows(*scores))
    if metric.value is None:
        assert set(scores) == {None}
        return
    if metric.low is not None and metric.high is not None:
        assert metric.low <= metric.value <= metric.high
    if metric.bound_low is not None and metric.bound_high is not None:
        assert metric.bound_low <= metric.bound_high
    if aggregation is not Aggregation.SUM:
        assert 0 <= metric.value <= 1


@given(SCORES, st.sampled_from(SIMPLE))
def test_order_of_samples_does_not_matter(scores: list[float | None], aggregation: Aggregation):
    data = rows(*scores)
    there, back = (compute_metric(spec(aggregation), part).value for part in (data, data[::-1]))
    assert there == back or there == pytest.approx(back)


def test_result_counts_verdicts_and_says_incomplete():
    meta = metadata("t")
    data = [
        ScoredSample(sample=Sample(id=str(i)), outcome=Outcome(verdict=v, scores=s))
        for i, (v, s) in enumerate(
            [
                (Verdict.OK, {"accuracy": 1.0}),
                (Verdict.WRONG, {"accuracy": 0.0}),
                (Verdict.ERRORED, {}),
            ]
        )
    ]
    result = aggregate(meta, data, _protocol())
    assert result.status is TaskStatus.INCOMPLETE
    assert result.verdicts == {"ok": 1, "wrong": 1, "errored": 1}
    assert result.total == 3
    assert aggregate(meta, data[:2], _protocol()).status is TaskStatus.COMPLETE


def test_no_samples_are_incomplete():
    assert aggregate(metadata("t"), [], _protocol()).status is TaskStatus.INCOMPLETE


def test_many_samples_are_quick():
    data = [row(f"{i // 4}", float(i % 3 == 0), i % 4) for i in range(100_000)]
    start = time.process_time()
    compute_metric(spec(), data)
    assert time.process_time() - start < 5  # about half a second on one core


def _protocol():
    from harness.records import DatasetInfo, Identity, Protocol

    return Protocol(
        id="t/v1",
        task="t",
        task_version=1,
        dataset=DatasetInfo(name="d", revision="1", split="test", licence="MIT"),
        prompt_template="",
        scorer=Identity(id="s", version="1"),
    )
