"""Task options: defaults stand, strangers and type changes are refused."""

import pytest

from harness.errors import SpecError
from harness.options import merge_options

DEFAULTS = {"prompts": 40, "strength": 0.5, "split": "test", "fast": False, "words": None}


def test_defaults_stand_and_given_values_win():
    merged = merge_options("t", DEFAULTS, {"prompts": 4})
    assert merged == {**DEFAULTS, "prompts": 4}
    assert DEFAULTS["prompts"] == 40


@pytest.mark.parametrize(("key", "remedy"), [("prompt", "'prompts'"), ("zzz", "it takes: fast")])
def test_an_unknown_option_is_named_with_a_remedy(key: str, remedy: str):
    with pytest.raises(SpecError, match=f"t: unknown option '{key}'") as caught:
        merge_options("t", DEFAULTS, {key: 1})
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("key", "value"), [("prompts", "4"), ("prompts", True), ("fast", 1), ("split", 3)]
)
def test_a_changed_type_is_refused(key: str, value: object):
    with pytest.raises(SpecError, match=key):
        merge_options("t", DEFAULTS, {key: value})  # type: ignore[dict-item]


@pytest.mark.parametrize(("key", "value"), [("strength", 1), ("words", "cat"), ("prompts", None)])
def test_sensible_widenings_pass(key: str, value: object):
    assert merge_options("t", DEFAULTS, {key: value})[key] == value  # type: ignore[dict-item]
