"""Plain text in columns, safe for a terminal whatever a model said."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from harness.text import visible

__all__ = ["columns", "safe"]


def columns(rows: Sequence[Sequence[str]], *, cut: bool = True) -> str:
    """Rows as aligned columns; the last column is cut at the terminal's width if `cut`.

    Example:
        >>> print(columns([["a", "first"], ["long-name", "second"]]))
        a          first
        long-name  second
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = [
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]
    limit = shutil.get_terminal_size().columns if cut else None
    return "\n".join(line[:limit] for line in lines)


def safe(text: str, limit: int = 2000) -> str:
    r"""Text of a model with control and bidirectional characters made visible, and cut.

    Example:
        >>> safe("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    return visible(text[:limit]) + (f" … ({len(text):,} characters)" if len(text) > limit else "")
