"""Names: did-you-mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["suggest"]


def suggest(wrong: str, known: Iterable[str]) -> str:
    """A question naming the closest known names, whatever their case, or an empty string.

    Example:
        >>> suggest("cheers-nan", ["cheers-nano", "null"])
        "did you mean 'cheers-nano'?"
    """
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong.lower(), list(names), n=3, cutoff=0.6)
    shown = [repr(names[name]) for name in close]
    return f"did you mean {' or '.join(shown)}?" if shown else ""
