"""Metrics of a whole data set: values by lm-eval's functions, intervals against other methods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.records import MetricSpec
from tasks.lm_eval import corpus
from tasks.lm_eval.corpus import corpus_value
from tests.language.conftest import ABSENT

metrics = pytest.importorskip("lm_eval.api.metrics", reason=ABSENT)

PERPLEXITY = MetricSpec(name="word_perplexity", score="word_perplexity", low=1.0, high=None)
BITS = MetricSpec(name="bits_per_byte", score="bits_per_byte", low=0.0, high=None)


def _texts(seed: int, n: int = 200) -> list[tuple[float, int]]:
    """Log-likelihood and words of texts whose words have about 3 nats each."""
    rng = np.random.default_rng(seed)
    words = rng.integers(5, 60, n)
    return [(float(-w * rng.normal(3.0, 0.4)), int(w)) for w in words]


def _by_bootstrap(function: Any, items: Any) -> tuple[float, float]:
    rng = np.random.default_rng(1)
    values = [
        function([items[i] for i in rng.integers(0, len(items), len(items))]) for _ in range(4000)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize(
    ("spec", "function"),
    [(PERPLEXITY, metrics.weighted_perplexity), (BITS, metrics.bits_per_byte)],
)
def test_the_delta_method_agrees_with_the_bootstrap(spec: MetricSpec, function: Any):
    items = _texts(0)
    value = corpus_value(spec, function, items)
    assert value.value == function(items)
    assert value.method.startswith("delta method")
    low, high = _by_bootstrap(function, items)
    width = high - low
    assert value.low == pytest.approx(low, abs=0.1 * width)
    assert value.high == pytest.approx(high, abs=0.1 * width)


def test_intervals_of_perplexity_cover_the_truth():
    truth, hits = math.exp(3.0), 0
    for seed in range(300):
        value = corpus_value(PERPLEXITY, metrics.weighted_perplexity, _texts(seed, 40))
        hits += value.low <= truth <= value.high
    assert 0.91 <= hits / 300 <= 0.985


def test_perplexity_of_plain_likelihoods_by_hand():
    spec = MetricSpec(name="perplexity", score="perplexity", low=1.0, high=None)
    value = corpus_value(spec, metrics.perplexity, [-1.0, -2.0, -3.0])
    assert value.value == pytest.approx(math.exp(2))
    margin = 4.302653 * 1 / math.sqrt(3)  # Student's t for 2 degrees, standard deviation 1
    assert value.low == pytest.approx(max(1.0, math.exp(2 - margin)), rel=1e-5)
    assert value.high == pytest.approx(math.exp(2 + margin), rel=1e-5)


def test_other_functions_are_bootstrapped_the_same_way_each_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpus, "_RESAMPLES", 80)
    rng = np.random.default_rng(3)
    items = [[int(g), int(p)] for g, p in rng.integers(0, 2, (60, 2))]
    spec = MetricSpec(name="mcc", score="mcc", low=-1.0, high=1.0)
    first, again = (corpus_value(spec, metrics.matthews_corrcoef, items) for _ in range(2))
    assert first == again
    assert first.low < first.value < first.high
    assert first.method == "bootstrap over documents, 80 resamples"
    assert first.value == pytest.approx(metrics.matthews_corrcoef(items))


def test_slow_functions_are_resampled_less():
    pairs = [["the quick brown fox", "the quick red fox"], ["a sea of stars", "a sea of fire"]] * 4
    spec = MetricSpec(name="chrf,none", score="chrf", low=0.0, high=100.0)
    value = corpus_value(spec, metrics.chrf, pairs)
    assert value.method.endswith("100 resamples")
    assert 0 < value.low <= value.value <= value.high < 100


@pytest.mark.parametrize("items", [[], [(-3.0, 2)]])
def test_few_documents_have_no_interval(items: list[tuple[float, int]]):
    value = corpus_value(PERPLEXITY, metrics.weighted_perplexity, items)
    assert (value.low, value.high, value.n) == (None, None, len(items))
    assert (value.value is None) is (not items)


def test_an_interval_beyond_all_numbers_is_left_out():
    items = [(-1000.0, 1), (-400.0, 1)]
    value = corpus_value(PERPLEXITY, metrics.weighted_perplexity, items)
    assert value.value == pytest.approx(math.exp(700))
    assert (value.low, value.high) == (None, None)
