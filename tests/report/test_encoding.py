"""JSON inside a page: nothing in it ends the script, everything in it comes back."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.encoding import script_json

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _readable(value: object) -> object:
    """What the page should get: surrogates as escapes, infinities as words."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    return value


@given(VALUES)
def test_values_come_back(value: object):
    assert json.loads(script_json(value)) == _readable(value)


@given(VALUES)
def test_nothing_in_it_means_something_to_html_or_javascript(value: object):
    text = script_json(value)
    assert not set("<>&\u2028\u2029\x00") & set(text)
    text.encode("utf-8")


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "\u2028", "&lt;", "\ud800", "\x00"])
def test_known_tricks(text: str):
    assert "<" not in script_json([text])
    assert json.loads(script_json({"k": text}))["k"] == _readable(text)


def test_null_and_the_word_null_stay_apart():
    assert json.loads(script_json([None, "null", float("nan")])) == [None, "null", "nan"]
