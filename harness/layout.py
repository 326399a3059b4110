"""The forms that reports share: rows of a Markdown table, and indented JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["json_text", "table_row"]


def table_row(cells: Iterable[str]) -> str:
    """One line of a Markdown table, of cells that are already safe for it.

    Example:
        >>> table_row(["a", "b"])
        '| a | b |'
    """
    return f"| {' | '.join(cells)} |"


def json_text(value: Any) -> str:
    r"""A record or a value as indented JSON, and a line's end.

    Example:
        >>> json_text({"a": 1})
        '{\n  "a": 1\n}\n'
    """
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
