"""Policies: every mistake is named with its place, nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.gate import Policy, Seeds, Undecided, read_policy
from harness.gate.policy_file import read_margin
from harness.records import Direction, MetricSpec


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gate.yaml"
    path.write_text(text)
    return path


FULL = """
margin: 2%
alpha: 0.01
holm: false
undecided: fail
minimum_n: 30
unknown: 0.02
seeds: any
noise: [noise/a.json, noise/b.json]
same: [defaults, weights_sha256]
hours: 2
tasks:
  one:
  two:
    accuracy: {margin: 0.05, alpha: 0.1, undecided: pass, minimum_n: 10, unknown: 0}
    style: {direction: lower}
    p50: {ratio: 1.2}
"""


def test_everything_is_read(tmp_path: Path):
    policy = read_policy(write(tmp_path, FULL))
    assert (policy.margin, policy.alpha, policy.holm) == ("2%", 0.01, False)
    assert (policy.undecided, policy.seeds, policy.hours) == (Undecided.FAIL, Seeds.ANY, 2)
    assert policy.noise == (str(tmp_path / "noise/a.json"), str(tmp_path / "noise/b.json"))
    ((name, rule),) = policy.rules("one", "accuracy")
    assert (name, rule.margin, rule.minimum_n, rule.unknown) == ("accuracy", "2%", 30, 0.02)
    rules = dict(policy.rules("two", "accuracy"))
    assert (rules["accuracy"].margin, rules["accuracy"].unknown) == (0.05, 0)
    assert rules["style"].direction is Direction.LOWER
    assert (rules["p50"].ratio, rules["p50"].undecided) == (1.2, Undecided.FAIL)


def test_an_empty_file_is_the_default(tmp_path: Path):
    assert read_policy(write(tmp_path, "")) == Policy()


def test_one_noise_file_may_stand_alone(tmp_path: Path):
    assert read_policy(write(tmp_path, "noise: n.json")).noise == (str(tmp_path / "n.json"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("margni: 1%", r"unknown field `margni`(.|\n)*did you mean 'margin'"),
        ("task: {}", r"unknown field `task`(.|\n)*'tasks'"),
        ("tasks: {a: {m: {margen: 1}}}", r"`margen`(.|\n)*did you mean 'margin'(.|\n)*ratio"),
        ("tasks: {a: {m: {holm: true}}}", r"unknown field `holm`(.|\n)*keys here: margin, ratio"),
        ("tasks: [a]", r"Expected `object"),
        ("alpha: 0.6", r"alpha is 0.6, not between"),
        ("alpha: yes", r"Expected `float`"),
        ("margin: 0", r"margin 0(.0)? is neither"),
        ("margin: -3%", r"margin '-3%' is neither"),
        ("margin: three", r"margin 'three' is neither"),
        ("margin: .inf", r"margin inf is neither"),
        ("tasks: {a: {m: {margin: 0%}}}", r"a, m: margin '0%' is neither"),
        ("tasks: {a: {m: {ratio: 0.9}}}", r"a, m: ratio is 0.9, not above 1"),
        ("tasks: {a: {m: {ratio: 1.1, margin: 1}}}", r"has no margin besides"),
        ("tasks: {a: {m: {direction: up}}}", r"Invalid enum value 'up'"),
        ("minimum_n: -1", r"minimum_n is -1"),
        ("unknown: 1", r"unknown is 1(.0)?, not a share"),
        ("hours: 0", r"hours is 0(.0)?, not positive"),
        ("seeds: some", r"Invalid enum value 'some'"),
        ("same: [weights]", r"no 'weights'; did you mean 'weights_sha256'"),
        ("{", r"isn't valid YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, why: str):
    with pytest.raises(SpecError, match=why) as caught:
        read_policy(write(tmp_path, text))
    assert "gate.yaml" in caught.value.what
    assert caught.value.remedy


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SpecError, match=r"none\.yaml: No such file"):
        read_policy(tmp_path / "none.yaml")


def test_percentages_are_of_the_range_or_of_the_baseline():
    fraction, decibels = MetricSpec(name="a", score="s"), MetricSpec(name="b", score="s", high=None)
    wide = MetricSpec(name="c", score="s", low=-1.0, high=1.0)
    three, two = read_margin("3%"), read_margin(2)
    assert three.absolute(fraction, 0.5) == pytest.approx(0.03)
    assert three.absolute(wide, 0.5) == pytest.approx(0.06)
    assert three.absolute(decibels, 30.0) == pytest.approx(0.9)
    assert two.absolute(decibels, 30.0) == two.absolute(fraction, 0.5) == 2
