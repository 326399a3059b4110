"""Values as JSON that may stand inside a page: hostile text can't end the script around it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.ledger.rows import printable

__all__ = ["script_json"]

_encode = msgspec.json.Encoder().encode
# These occur only inside strings, where an escape stands for the same character.
_ESCAPES = {character: rf"\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_DANGEROUS = re.compile("[<>&\u2028\u2029]")


def script_json(value: Any) -> str:
    r"""JSON without `<`, `>`, `&` and line separators, so it's safe in HTML and in JavaScript.

    Numbers that JSON lacks become text, lone surrogates become escapes that one can read.

    Args:
        value: Whatever msgspec encodes.

    Example:
        >>> script_json({"a": "</script>"})
        '{"a":"\\u003c/script\\u003e"}'
        >>> script_json([float("-inf"), "\ud800"])
        '["-inf","\\\\ud800"]'
    """
    return _DANGEROUS.sub(lambda found: _ESCAPES[found[0]], _json(value))


def _json(value: Any) -> str:
    try:
        encoded = _encode(value)
        if b"null" not in encoded:
            return encoded.decode()
    except UnicodeEncodeError:
        pass  # the walk below mends what can't be encoded
    return _encode(_mended(value)).decode()


def _mended(value: Any) -> Any:
    """The value with lone surrogates and non-finite numbers as text."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): _mended(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_mended(item) for item in value]
    return value
