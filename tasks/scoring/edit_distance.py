"""Levenshtein distance over characters or words."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

__all__ = ["edit_distance"]


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Least number of insertions, deletions and substitutions that turn one into the other.

    Bit-parallel after Hyyrö (2003), "A bit-vector algorithm for computing Levenshtein and Damerau
    edit distances": one pass over the longer sequence, with the differences of a whole column of
    the distance table held in the bits of two integers.

    Args:
        first: A string, or a sequence of hashable items such as words.
        second: The same.

    Returns:
        The distance, at most the length of the longer sequence.

    Example:
        >>> edit_distance("kitten", "sitting")
        3
        >>> edit_distance(["a", "b"], ["b"])
        1
    """
    short, long = sorted((first, second), key=len)
    if not short:
        return len(long)
    positions: dict[Hashable, int] = {}
    for index, item in enumerate(short):
        positions[item] = positions.get(item, 0) | (1 << index)
    full = (1 << len(short)) - 1
    bottom = 1 << (len(short) - 1)
    rises, falls, distance = full, 0, len(short)
    for item in long:
        equal = positions.get(item, 0)
        vertical = equal | falls
        diagonal = (((equal & rises) + rises) ^ rises) | equal
        up = falls | (full & ~(diagonal | rises))
        down = rises & diagonal
        distance += bool(up & bottom) - bool(down & bottom)
        up = (up << 1) | 1
        down <<= 1
        rises = (down | ~(vertical | up)) & full
        falls = up & vertical & full
    return distance
