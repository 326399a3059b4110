"""Metrics of a whole data set: values by lm-eval's functions or as ratios, with intervals."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.aggregate import compute_metric
from harness.records import MetricSpec, Response, Sample, ScoredSample
from tasks.lm_eval import corpus
from tasks.lm_eval.corpus import corpus_value
from tasks.lm_eval.judging import judge
from tasks.lm_eval.metrics import metric_specs
from tests.language.conftest import ABSENT

metrics = pytest.importorskip("lm_eval.api.metrics", reason=ABSENT)

ROLLING = metric_specs({"output_type": "loglikelihood_rolling"})
NEXT = metric_specs({"output_type": "loglikelihood"})


def _texts(seed: int, n: int = 60) -> list[tuple[float, int]]:
    """Log-likelihood and words of texts whose words have about 3 nats each."""
    rng = np.random.default_rng(seed)
    words = rng.integers(5, 60, n)
    return [(float(-w * rng.normal(3.0, 0.4)), int(w)) for w in words]


def _scored(items: list[Any], specs: tuple[MetricSpec, ...]) -> list[ScoredSample]:
    """Outcomes of a task whose `process_results` gives each metric the document's item."""
    from lm_eval.filters import build_filter_ensemble

    functions = {
        "word_perplexity": metrics.weighted_perplexity,
        "byte_perplexity": metrics.weighted_perplexity,
        "bits_per_byte": metrics.bits_per_byte,
        "perplexity": metrics.perplexity,
    }
    rows = []
    for number, item in enumerate(items):
        task = SimpleNamespace(
            OUTPUT_TYPE="loglikelihood_rolling",
            _filters=[build_filter_ensemble("none", [["take_first", None]])],
            aggregation=lambda: functions,
            process_results=lambda doc, answers, item=item: dict.fromkeys(functions, item),
        )
        response = Response(loglikelihoods=(-1.0,), is_greedy=(False,))
        outcome = judge(task, {}, response, specs)
        rows.append(ScoredSample(sample=Sample(id=str(number)), outcome=outcome))
    return rows


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("word_perplexity", metrics.weighted_perplexity),
        ("byte_perplexity", metrics.weighted_perplexity),
        ("bits_per_byte", metrics.bits_per_byte),
    ],
)
def test_ratios_are_lm_evals_with_an_interval_that_covers(name: str, function: Any):
    spec = next(spec for spec in ROLLING if spec.name == name)
    items = _texts(0)
    value = compute_metric(spec, _scored(items, ROLLING))
    assert value.value == pytest.approx(function(items), rel=1e-12)
    assert value.method.startswith("delta method")
    rng = np.random.default_rng(1)
    draws = [function([items[i] for i in rng.integers(0, 60, 60)]) for _ in range(3000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    assert value.low == pytest.approx(low, abs=0.1 * (high - low))
    assert value.high == pytest.approx(high, abs=0.1 * (high - low))


def test_perplexity_of_plain_likelihoods_by_hand():
    spec = NEXT[0]
    value = compute_metric(spec, _scored([-1.0, -2.0, -3.0], NEXT))
    assert value.value == pytest.approx(metrics.perplexity([-1.0, -2.0, -3.0]))
    margin = 4.302653 * 1 / math.sqrt(3)  # Student's t for 2 degrees, standard deviation 1
    assert value.low == pytest.approx(max(1.0, math.exp(2 - margin)), rel=1e-5)
    assert value.high == pytest.approx(math.exp(2 + margin), rel=1e-5)


def test_other_functions_are_bootstrapped_the_same_way_each_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpus, "_RESAMPLES", 30)
    rng = np.random.default_rng(3)
    items = [[int(g), int(p)] for g, p in rng.integers(0, 2, (60, 2))]
    spec = MetricSpec(name="mcc", score="mcc", low=-1.0, high=1.0)
    first, again = (corpus_value(spec, metrics.matthews_corrcoef, items) for _ in range(2))
    assert first == again
    assert first.low < first.value < first.high
    assert first.method == "bootstrap over documents, 30 resamples"
    assert first.value == pytest.approx(metrics.matthews_corrcoef(items))


def test_slow_functions_are_resampled_less():
    pairs = [["the quick brown fox", "the quick red fox"], ["a sea of stars", "a sea of fire"]] * 4
    spec = MetricSpec(name="chrf,whole", score="chrf", low=0.0, high=100.0)
    value = corpus_value(spec, metrics.chrf, pairs)
    assert value.method.endswith("100 resamples")
    assert 0 < value.low <= value.value <= value.high < 100


def test_bootstrapped_intervals_cover_the_truth():
    """Of a mean, whose truth is known: about 95 of 100 hold it."""
    spec, hits = MetricSpec(name="m", score="m", low=None, high=None), 0
    for seed in range(60):
        items = np.random.default_rng(seed).normal(0.5, 1.0, 50).tolist()
        value = corpus_value(spec, metrics.mean, items)
        hits += value.low <= 0.5 <= value.high
    assert hits >= 52


@pytest.mark.parametrize("items", [[], [["a b", "a c"]]])
def test_few_documents_have_no_interval(items: list[list[str]]):
    spec = MetricSpec(name="chrf", score="chrf")
    value = corpus_value(spec, metrics.chrf, items)
    assert (value.low, value.high, value.n) == (None, None, len(items))
    assert (value.value is None) is (not items)


def test_a_value_that_is_no_number_is_none():
    spec = MetricSpec(name="m", score="m")
    assert corpus_value(spec, lambda items: math.nan, [1, 2]).value is None
