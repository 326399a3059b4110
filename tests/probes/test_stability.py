"""When timings are too noisy to compare."""

from __future__ import annotations

import pytest

from tasks.probes.stability import NOISY_CV, stability


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        ([1.0], "too few rounds to compare: 1"),
        ([1.0, 1.0], "too few rounds to compare: 2"),
        ([2.0, 2.0, 2.0], "stable"),
        ([0.92, 1.0, 1.08], "stable"),
        ([0.8, 1.0, 1.2], "too noisy to compare: CV 20% over 3 rounds"),
    ],
)
def test_the_verdict_follows_the_coefficient_of_variation(seconds: list[float], verdict: str):
    assert stability(seconds).verdict == verdict


def test_the_coefficient_does_not_depend_on_the_unit():
    seconds = [1.0, 1.3, 0.9, 1.1]
    assert stability(seconds).cv == pytest.approx(stability([s * 1000 for s in seconds]).cv)
    assert stability(seconds).cv > NOISY_CV


def test_one_timing_has_no_spread():
    assert stability([3.0]).cv is None


def test_no_timings_are_refused():
    with pytest.raises(ValueError, match="no timings"):
        stability([])
