"""From texts to the tokens that are scored, by the rules of lm-eval's HFLM (release 0.4.13).

Published numbers of language models follow these rules, so raw requests do too: spaces at the end
of a context belong to the continuation, a text without context is conditioned on one prefix token,
what doesn't fit is cut on the left, and a text longer than the context is scored in windows that
predict each token once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from harness.errors import AdapterError

__all__ = ["Encode", "Scored", "cut", "split_pair", "windows"]

Encode: TypeAlias = Callable[[str], list[int]]
"""Text to ids."""


class Scored(NamedTuple):
    """Tokens that are scored, and those that they are conditioned on."""

    context: list[int]
    """At least one id."""

    continuation: list[int]
    """At least one id."""


def split_pair(
    context: str, continuation: str, encode: Encode, encode_bare: Encode, prefix: int | None
) -> Scored:
    """Tokens of a continuation and of its context.

    The context is encoded alone; the continuation is what the tokens of the whole text have beyond
    as many tokens.

    Args:
        context: May be empty.
        continuation: The text to score.
        encode: Encodes a text as the model reads it from its beginning.
        encode_bare: The same without a beginning-of-text token.
        prefix: Id that stands before a text without context, if there is one.

    Raises:
        AdapterError: No token is left to score, or there is no prefix where one is needed.

    Example:
        >>> letters = lambda text: [ord(c) for c in text]
        >>> split_pair("ab ", "c", letters, letters, 0)
        Scored(context=[97, 98], continuation=[32, 99])
        >>> split_pair("", "c", letters, letters, 0)
        Scored(context=[0], continuation=[99])
    """
    if not context:
        found = _from_the_beginning(encode_bare(continuation), prefix)
    else:
        bare = context.rstrip()
        whole, before = encode(context + continuation), encode(bare)
        found = Scored(before, whole[len(before) :])
    if not found.continuation or not found.context:
        raise AdapterError(
            f"the continuation {continuation!r:.80} has no token of its own behind {context!r:.80}",
            "score a text that adds at least one token",
        )
    return found


def cut(scored: Scored, limit: int) -> Scored:
    """Cut the context on the left, so that the model reads at most `limit` tokens.

    The last token of the continuation is predicted but not read.

    Raises:
        AdapterError: The continuation alone is longer than that.

    Example:
        >>> cut(Scored([1, 2, 3], [4, 5]), limit=2)
        Scored(context=[3], continuation=[4, 5])
    """
    if len(scored.continuation) > limit:
        raise AdapterError(
            f"a continuation of {len(scored.continuation)} tokens doesn't fit the context of "
            f"{limit}",
            "score it as a rolling text, or use a model with a longer context",
        )
    room = limit + 1 - len(scored.continuation)
    return Scored(scored.context[-room:], scored.continuation)


def windows(ids: Sequence[int], prefix: int | None, limit: int) -> list[Scored]:
    """Windows over a text that predict each of its tokens once.

    The first is conditioned on the prefix token. A later one reads the `limit` tokens before its
    last, and scores those that no earlier window did.

    Args:
        ids: Tokens of the text.
        prefix: Id before the first of them.
        limit: Tokens that the model reads at most.

    Raises:
        AdapterError: There is no prefix.

    Example:
        >>> for window in windows([1, 2, 3, 4, 5], prefix=0, limit=2):
        ...     print(*window)
        [0] [1, 2]
        [2] [3, 4]
        [3, 4] [5]
    """
    found: list[Scored] = []
    text = [_known(prefix), *ids]  # ids[i] is text[i + 1]
    for start in range(0, len(ids), limit):
        end = min(start + limit, len(ids))
        first = max(end - limit, 0)
        found.append(Scored(text[first : start + 1], text[start + 1 : end + 1]))
    return found


def _from_the_beginning(ids: list[int], prefix: int | None) -> Scored:
    # A text that brings the prefix itself isn't given it twice.
    if ids and ids[0] == prefix:
        return Scored(ids[:1], ids[1:])
    return Scored([_known(prefix)], ids)


def _known(prefix: int | None) -> int:
    if prefix is None:
        raise AdapterError(
            "the tokenizer has neither a beginning-of-text nor an end-of-text token to put before "
            "a text without context",
            "name one in its tokenizer_config.json",
        )
    return prefix
