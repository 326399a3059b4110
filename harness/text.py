"""Text that came from outside, made safe for the format it goes into."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["cut_at_stop", "markdown", "one_line", "visible"]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")


def markdown(text: str) -> str:
    r"""One line whose characters mean nothing to Markdown.

    Example:
        >>> markdown("a|b\n<i>")
        'a\\|b \\<i\\>'
    """
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def one_line(text: str) -> str:
    r"""Printable characters only, runs of white space as one space.

    Example:
        >>> one_line(" a\n\tb\x00")
        'a b'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one.

    Example:
        >>> cut_at_stop("A. B", (".", " "))
        ('A', True)
        >>> cut_at_stop("A", ("", "B"))
        ('A', False)
    """
    ends = [place for place in (text.find(s) for s in stop if s) if place >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def visible(text: str) -> str:
    r"""The text with control and bidirectional characters written as escapes.

    Line feeds and tabs stay.

    Example:
        >>> visible("a\x1b[31mb")
        'a\\x1b[31mb'
        >>> visible("\u202eevil")
        '\\u202eevil'
    """
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")
    return character if not hidden or character in "\n\t" else ascii(character)[1:-1]
