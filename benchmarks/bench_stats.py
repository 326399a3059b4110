"""Intervals of a GenEval-sized result: 2,212 images of 553 prompts."""

import time

import numpy as np
import pytest

from harness.stats import bootstrap_mean, estimate_mean, wilson_interval

pytestmark = pytest.mark.bench

CLUSTERS = np.repeat(np.arange(553), 4)
VALUES = (np.random.default_rng(0).random(2212) < 0.78).astype(float)


def test_ten_thousand_resamples():
    start = time.perf_counter()
    interval = bootstrap_mean(VALUES, CLUSTERS, resamples=10_000)
    resampled = time.perf_counter() - start
    start = time.perf_counter()
    analytic = wilson_interval(estimate_mean(VALUES, CLUSTERS))
    closed = time.perf_counter() - start
    print(
        f"bootstrap {resampled:.2f} s, closed form {closed * 1e3:.2f} ms: {resampled / closed:.0f}x"
    )
    assert resampled < 2
    assert abs(interval.low - analytic.low) < 0.005
