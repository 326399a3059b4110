"""The base of all records: frozen, keyword-only, strict about unknown fields."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

__all__ = ["SCHEMA_VERSION", "JsonValue", "Record", "canonical_json", "digest"]

SCHEMA_VERSION = 3
"""Version of the stored records. A change that old readers can't read raises it and adds a
migration in `harness.migrations`."""

if TYPE_CHECKING:
    JsonValue: TypeAlias = (
        bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
    )
else:
    JsonValue = Any  # msgspec can't decode a recursive alias


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base class of every stored or exchanged record.

    Subclasses repeat `frozen=True, kw_only=True` because type checkers don't inherit them.
    """


_ENCODER = msgspec.json.Encoder(order="sorted")


def canonical_json(value: Any) -> bytes:
    """Encode `value` as JSON with sorted keys: equal values give equal bytes.

    Example:
        >>> canonical_json({"b": 1, "a": [True, None]})
        b'{"a":[true,null],"b":1}'
    """
    return _ENCODER.encode(value)


def digest(value: Any, length: int = 12) -> str:
    """First `length` hexadecimal digits of the SHA-256 of `value`'s canonical JSON.

    Example:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()[:length]
