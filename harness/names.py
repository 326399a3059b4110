"""Names: did-you-mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["suggest"]


def suggest(wrong: str, known: Iterable[str]) -> str:
    """A question naming the closest known names, or an empty string.

    Example:
        >>> suggest("cheers-nan", ["cheers-nano", "null"])
        "did you mean 'cheers-nano'?"
    """
    close = difflib.get_close_matches(wrong, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""
