"""What chance may do between two measurements of one model: both error rates, by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from harness.aggregate import point_estimate, value_of
from harness.columns import ScoreColumn
from harness.published.chance import chance_of_draws, chance_of_flips, columns_of, draw_error
from harness.records import (
    Aggregation,
    MetricSpec,
    MetricValue,
    Outcome,
    Sample,
    ScoredSample,
    Verdict,
)

MEAN = MetricSpec(name="accuracy", score="correct")
OVERALL = MetricSpec(name="overall", score="correct", aggregation=Aggregation.MEAN_OF_CATEGORIES)
TOTAL = MetricSpec(
    name="total", score="correct", aggregation=Aggregation.SUM, high=1000.0, unit="points"
)
PERCENT = MetricSpec(name="anls", score="correct", high=100.0)
CIRCULAR = MetricSpec(name="circular", score="correct", aggregation=Aggregation.ALL_IN_CLUSTER)
MEDIAN = MetricSpec(name="median", score="correct", aggregation=Aggregation.MEDIAN)
NONE = MetricValue(name="none", value=None)
SKILLS = (80, 99, 80, 94, 100, 100)
"""GenEval's prompts by skill: 553."""


class GenEval:
    """A model whose prompts are easy or hard: each has a chance of its own to be drawn right."""

    def __init__(self, rng: np.random.Generator, loss: float = 0.0) -> None:
        self._rng = rng
        self._strata = np.repeat(np.arange(len(SKILLS)), SKILLS)
        easy = rng.beta(1.4, 0.4, size=len(self._strata))
        self._chances = np.clip(easy - loss, 0.0, 1.0), easy

    def draw(self, *, worse: bool = False) -> ScoreColumn:
        chances = np.repeat(self._chances[0 if worse else 1], 4)
        right = (self._rng.random(len(chances)) < chances).astype(float)
        prompts = np.repeat(np.arange(len(self._strata)), 4)
        return ScoreColumn(right, prompts, np.repeat(self._strata, 4))


def shares_within(loss: float, metric: MetricSpec, *, repeats: int = 300) -> float:
    """How often a redraw, of a model that lost something, lies within chance of the first."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(repeats):
        model = GenEval(rng, loss)
        published = round(point_estimate(metric, model.draw()) or 0.0, 2)
        ours = model.draw(worse=loss > 0)
        value = value_of(metric, ours)
        chance = chance_of_draws(metric, ours, value, 0.005)
        difference = (value.value or 0.0) - published
        hits += chance is not None and difference - chance.below <= 0 <= difference + chance.above
    return hits / repeats


@pytest.mark.parametrize("metric", [MEAN, OVERALL], ids=lambda metric: metric.name)
def test_one_model_drawn_twice_is_nearly_always_reproduced(metric: MetricSpec):
    assert shares_within(0.0, metric) >= 0.93


def test_a_loss_of_three_points_mostly_differs():
    assert shares_within(0.03, OVERALL) <= 0.25


def test_the_half_width_is_that_of_draws_and_not_of_prompts():
    """Two draws of 553 x 4 pictures differ by up to 2 points; other prompts would give 3.5."""
    rng = np.random.default_rng(3)
    ours = GenEval(rng).draw()
    value = value_of(OVERALL, ours)
    chance = chance_of_draws(OVERALL, ours, value, 0.0)
    assert chance is not None
    assert 0.012 < chance.above < 0.02
    assert value.high is not None
    assert value.value is not None
    assert np.hypot(value.high - value.value, value.high - value.value) > 1.7 * chance.above
    assert "two draws" in chance.why


def test_the_error_of_draws_is_unbiased():
    rng = np.random.default_rng(11)
    prompts = np.repeat(np.arange(40), 3)
    chances = np.repeat(rng.random(40), 3)
    weights = np.full(120, 1 / 120)
    true = np.sum(weights**2 * chances * (1 - chances))
    found = [
        draw_error((rng.random(120) < chances).astype(float), weights, prompts) for _ in range(2000)
    ]
    assert all(error is not None and error[1] == 80 for error in found)
    assert np.mean([error[0] ** 2 for error in found if error]) == pytest.approx(true, rel=0.02)


def test_a_prompt_drawn_for_once_tells_nothing_and_the_text_says_so():
    column = ScoreColumn(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 1]), np.zeros(3, dtype=int))
    assert draw_error(column.values, np.full(3, 1 / 3), column.clusters) is None
    value = MetricValue(name="accuracy", value=0.5, low=0.2, high=0.9)
    chance = chance_of_draws(MEAN, column, value, 0.01)
    assert chance is not None
    assert chance.above == chance.below == pytest.approx((0.3**2 + 0.4**2 + 0.01**2) ** 0.5)
    assert "too wide" in chance.why
    assert chance_of_draws(MEAN, column, NONE, 0.01) is None


def answers(n: int, right: float) -> ScoreColumn:
    values = (np.arange(n) < right * n).astype(float)
    return ScoreColumn(values, np.arange(n), np.zeros(n, dtype=int))


@pytest.mark.parametrize(
    ("metric", "n", "flips", "half"),
    [
        (MEAN, 1500, 0.02, 1.96 * (0.02 / 1500) ** 0.5),
        (MEAN, 1500, 0.0, 0.0),
        (TOTAL, 1000, 0.02, 1000 * 1.96 * (0.02 / 1000) ** 0.5),
        (PERCENT, 100, 0.5, 100 * 1.96 * (0.5 / 100) ** 0.5),
        (CIRCULAR, 400, 0.02, 1.96 * (0.02 / 400) ** 0.5),
    ],
)
def test_flips_move_a_mean_by_their_root(metric: MetricSpec, n: int, flips: float, half: float):
    chance = chance_of_flips(metric, answers(n, 0.6), NONE, 0.25, flips)
    assert chance is not None
    assert chance.above == chance.below == pytest.approx(half + 0.25, rel=1e-3)
    assert f"{flips:g} of the answers" in chance.why


def test_small_categories_move_the_mean_of_categories_more():
    column = ScoreColumn(np.ones(110), np.arange(110), np.repeat([0, 1], [10, 100]))
    chance = chance_of_flips(OVERALL, column, NONE, 0.0, 0.02)
    assert chance is not None
    assert chance.above == pytest.approx(1.96 * (0.02 * (1 / 40 + 1 / 400)) ** 0.5)


def test_circular_evaluation_counts_questions():
    column = ScoreColumn(np.ones(400), np.repeat(np.arange(100), 4), np.zeros(400, dtype=int))
    chance = chance_of_flips(CIRCULAR, column, NONE, 0.0, 0.02)
    assert chance is not None
    assert chance.above == pytest.approx(1.96 * (0.02 / 100) ** 0.5)


def test_what_is_no_sum_keeps_its_sampling_interval():
    value = MetricValue(name="median", value=0.5, low=0.4, high=0.7)
    chance = chance_of_flips(MEDIAN, answers(9, 0.5), value, 0.01)
    assert chance is not None
    assert (chance.below, chance.above) == pytest.approx((0.11, 0.21))
    assert "median is no sum" in chance.why
    assert chance_of_flips(MEDIAN, answers(9, 0.5), NONE, 0.01) is None


def greedy_within(loss: float, repeats: int = 400) -> float:
    """How often 1,500 greedy answers, 2% of them flipped, lie within chance of the first time."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(repeats):
        first = rng.random(1500) < 0.509
        lost = first & (rng.random(1500) < loss / 0.509)
        again = first ^ lost
        for kind in (True, False):  # as many of the right ones as of the wrong ones
            those = np.flatnonzero(again == kind)
            again[rng.choice(those, size=rng.binomial(750, 0.02), replace=False)] ^= True
        ours = ScoreColumn(again.astype(float), np.arange(1500), np.zeros(1500, dtype=int))
        chance = chance_of_flips(MEAN, ours, NONE, 0.0005)
        difference = again.mean() - round(first.mean(), 3)
        hits += chance is not None and abs(difference) <= chance.above
    return hits / repeats


def test_greedy_answers_given_twice_are_reproduced_and_a_loss_is_seen():
    assert greedy_within(0.0) >= 0.93
    assert greedy_within(0.02) <= 0.2


def test_columns_are_gathered_in_one_pass():
    rows = iter(
        ScoredSample(
            sample=Sample(id=f"{i // 2}", k=i % 2),
            outcome=Outcome(verdict=Verdict.OK, scores={"correct": float(i == 0)}),
        )
        for i in range(4)
    )
    found = columns_of(rows, [MEAN, TOTAL])
    assert set(found) == {"accuracy", "total"}
    assert found["total"].values.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert found["accuracy"].clusters[0] == found["accuracy"].clusters[1]
