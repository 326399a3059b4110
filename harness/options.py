"""Options of tasks: defaults, with unknown keys and changed types refused."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import SpecError
from harness.names import suggest
from harness.records import JsonValue

__all__ = ["merge_options"]


def merge_options(
    owner: str, defaults: Mapping[str, JsonValue], options: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Merge `options` over `defaults`.

    Raises:
        SpecError: An option isn't among the defaults, or has another type than its default.

    Example:
        >>> merge_options("t", {"k": 4, "fast": False}, {"k": 1})
        {'k': 1, 'fast': False}
    """
    for key, value in options.items():
        if key not in defaults:
            raise SpecError(
                f"{owner}: unknown option {key!r}",
                suggest(key, defaults) or "it takes: " + (", ".join(sorted(defaults)) or "none"),
            )
        _check_type(owner, key, defaults[key], value)
    return {**defaults, **options}


def _check_type(owner: str, key: str, default: JsonValue, value: JsonValue) -> None:
    if default is None or value is None or type(default) is type(value):
        return
    if isinstance(default, float) and type(value) is int:
        return
    raise SpecError(
        f"{owner}: option {key!r} is {value!r}, a {type(value).__name__}",
        f"give a {type(default).__name__}, like its default {default!r}",
    )
