"""From texts to scored tokens: the rules of HFLM, compared with lm-eval's own functions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import AdapterError
from model_adapters.continuation import Scored, cut, split_pair, windows
from tests.language.conftest import ABSENT


def letters(text: str) -> list[int]:
    return [ord(character) for character in text]


def with_start(text: str) -> list[int]:
    return [1, *letters(text)]


def pairs_of_two(text: str) -> list[int]:
    """A tokenizer whose tokens are two letters, so that boundaries can fall inside one."""
    return [hash(text[i : i + 2]) for i in range(0, len(text), 2)]


@settings(deadline=None)  # the first call imports lm-eval
@given(ids=st.lists(st.integers(1, 99), max_size=60), limit=st.integers(1, 20))
def test_windows_are_lm_evals(ids: list[int], limit: int):
    utils = pytest.importorskip("lm_eval.utils", reason=ABSENT)
    theirs = [
        Scored(*map(list, utils.make_disjoint_window(window)))
        for window in utils.get_rolling_token_windows(ids, 0, limit, 1)
    ]
    assert windows(ids, 0, limit) == theirs


@given(ids=st.lists(st.integers(1, 99), max_size=60), limit=st.integers(1, 20))
def test_windows_score_each_token_once_and_read_no_more_than_fits(ids: list[int], limit: int):
    found = windows(ids, 0, limit)
    assert [token for window in found for token in window.continuation] == ids
    assert all(len(w.context) + len(w.continuation) - 1 <= limit for w in found)
    assert all(w.context for w in found)


@given(
    context=st.lists(st.integers(), min_size=1),
    continuation=st.lists(st.integers(), min_size=1, max_size=9),
    limit=st.integers(9, 30),
)
def test_cutting_keeps_the_end(context: list[int], continuation: list[int], limit: int):
    whole = (context + continuation)[-(limit + 1) :]
    found = cut(Scored(context, continuation), limit)
    assert found.context + found.continuation == whole
    assert found.continuation == continuation
    assert found.context


def test_a_continuation_that_is_too_long_is_refused():
    with pytest.raises(AdapterError, match="3 tokens doesn't fit the context of 2") as caught:
        cut(Scored([1], [2, 3, 4]), 2)
    assert "rolling" in caught.value.remedy


@given(st.text(min_size=1).filter(lambda t: t.rstrip()), st.text(min_size=1))
def test_nothing_of_a_pair_is_lost(context: str, continuation: str):
    found = split_pair(context, continuation, letters, letters, 0)
    assert found.context + found.continuation == letters(context + continuation)


def test_spaces_at_the_end_of_a_context_are_scored():
    found = split_pair("ab  ", "c", with_start, letters, 1)
    assert found == Scored([1, *letters("ab")], letters("  c"))


def test_tokens_across_the_boundary_belong_to_the_continuation_by_number():
    found = split_pair("abc", "de", pairs_of_two, pairs_of_two, 0)
    assert found.context == pairs_of_two("abc")
    assert found.continuation == pairs_of_two("abcde")[2:]


@pytest.mark.parametrize(
    ("text", "want"),
    [("b", Scored([97], [98])), ("ab", Scored([97], [98])), ("aab", Scored([97], [97, 98]))],
)
def test_a_text_without_context_stands_behind_the_prefix_once(text: str, want: Scored):
    assert split_pair("", text, with_start, letters, 97) == want


@pytest.mark.parametrize(("context", "text"), [("abc", ""), ("", ""), ("", "a"), ("  ", "")])
def test_nothing_to_score_is_an_error(context: str, text: str):
    with pytest.raises(AdapterError, match="has no token of its own"):
        split_pair(context, text, letters, letters, 97)


def test_without_a_prefix_token_texts_need_a_context():
    with pytest.raises(AdapterError, match="neither a beginning-of-text"):
        split_pair("", "b", letters, letters, None)
    with pytest.raises(AdapterError, match="neither a beginning-of-text"):
        windows([1], None, 4)
    assert split_pair("a", "b", letters, letters, None) == Scored([97], [98])
