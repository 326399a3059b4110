"""Levenshtein distance over characters or words."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

__all__ = ["edit_distance"]


def edit_distance(
    first: Sequence[str], second: Sequence[str], *, at_most: int | None = None
) -> int:
    """Least number of insertions, deletions and substitutions that turn one into the other.

    Levenshtein (1966), computed by rapidfuzz.

    Args:
        first: A string, or a sequence of words.
        second: The same.
        at_most: Stop counting above this many edits, which is much faster for texts that differ.

    Returns:
        The distance, at most the length of the longer sequence; `at_most` + 1 if it is greater than
        `at_most`.

    Example:
        >>> edit_distance("kitten", "sitting"), edit_distance("kitten", "sitting", at_most=1)
        (3, 2)
        >>> edit_distance(["a", "b"], ["b"])
        1
    """
    return Levenshtein.distance(first, second, score_cutoff=at_most)
