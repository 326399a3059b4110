"""When timings are too noisy to compare."""

from __future__ import annotations

from statistics import NormalDist

import pytest

from tasks.probes.stability import NOISY_CV, stability, stability_notes


@pytest.mark.parametrize(
    ("seconds", "few", "noisy"),
    [
        ([1.0], True, False),
        ([1.0, 9.0], True, False),
        ([2.0, 2.0, 2.0], False, False),
        ([0.92, 1.0, 1.08], False, False),
        ([0.8, 1.0, 1.2], False, True),
    ],
)
def test_the_judgement_follows_the_coefficient_of_variation(
    seconds: list[float], few: bool, noisy: bool
):
    assert (stability(seconds).few, stability(seconds).noisy) == (few, noisy)


def test_steady_timings_need_no_notes():
    assert stability_notes({"a": stability([1.0, 1.0, 1.0])}) == ()


def test_notes_name_each_case_once():
    judged = {"a": stability([0.8, 1.0, 1.2]), "b": stability([1.0]), "c": stability([1, 2, 3])}
    assert stability_notes(judged) == (
        "too noisy to compare: a (CV 20%), c (CV 50%)",
        "too few rounds to compare: b (1)",
    )


def test_the_coefficient_does_not_depend_on_the_unit():
    seconds = [1.0, 1.3, 0.9, 1.1]
    assert stability(seconds).cv == pytest.approx(stability([s * 1000 for s in seconds]).cv)
    assert stability(seconds).cv > NOISY_CV


def test_one_timing_has_no_spread():
    assert stability([3.0]).cv is None


def test_no_timings_are_refused():
    with pytest.raises(ValueError, match="no timings"):
        stability([])


def test_outliers_alone_are_called_so():
    steady = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.01, 3.0]
    judged = stability(steady)
    assert judged.noisy
    assert judged.outliers
    (note,) = stability_notes({"a": judged})
    assert note == "too noisy to compare: a (CV 56%, 1% but for outliers)"


def test_timings_that_vary_throughout_have_no_outliers():
    assert not stability([0.8, 1.0, 1.2, 0.7, 1.3]).outliers
    assert not stability([1.0, 1.0, 1.0, 1.0]).outliers


def test_both_spreads_agree_for_normal_timings():
    timings = list(NormalDist(1.0, 0.05).samples(20_000, seed=1))
    judged = stability(timings)
    assert judged.robust_cv == pytest.approx(judged.cv, rel=0.05)
