"""From `--vary` to the points of a sweep, and a folder's name for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from urllib.parse import quote

from harness.errors import SpecError
from harness.records import JsonValue

__all__ = ["folder_name", "point_name", "points", "read_vary"]

_EXAMPLE = "write for example --vary steps=5,10,20"


def read_vary(texts: Sequence[str]) -> dict[str, list[JsonValue]]:
    """Read `K=V,V,...`; each value is YAML, so that numbers and true/false have their types.

    Raises:
        SpecError: A text is malformed, a name or a value comes twice, or there is none.

    Example:
        >>> read_vary(["steps=5,10", "solver=euler"])
        {'steps': [5, 10], 'solver': ['euler']}
    """
    found: dict[str, list[JsonValue]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name or name in found:
            why = "is varied twice" if name in found else "isn't KEY=VALUE,VALUE"
            raise SpecError(f"--vary {text}: {why}", _EXAMPLE)
        found[name] = _values(text, values)
    if not found:
        raise SpecError("a sweep varies nothing", _EXAMPLE)
    return found


def _values(text: str, values: str) -> list[JsonValue]:
    import yaml

    try:
        read = [yaml.safe_load(value) for value in values.split(",")]
    except yaml.YAMLError as error:
        raise SpecError(f"--vary {text}: {error}", _EXAMPLE) from error
    if any(isinstance(value, list | dict) or value is None for value in read):
        raise SpecError(f"--vary {text}: a value is missing or isn't a plain one", _EXAMPLE)
    if len({point_name({"": value}) for value in read}) < len(read):
        raise SpecError(f"--vary {text}: a value comes twice", "name each value once")
    return read


def points(vary: Mapping[str, Sequence[JsonValue]]) -> list[dict[str, JsonValue]]:
    """Every combination of the values, the last name varying fastest.

    Example:
        >>> points({"steps": [5, 10], "cfg_scale": [1, 2]})[1]
        {'steps': 5, 'cfg_scale': 2}
    """
    return [dict(zip(vary, values, strict=True)) for values in product(*vary.values())]


def point_name(point: Mapping[str, JsonValue]) -> str:
    """A point as people read it.

    Example:
        >>> point_name({"steps": 5, "hfi": False})
        'steps=5 hfi=false'
    """
    return " ".join(f"{name}={_text(value)}" for name, value in point.items())


def folder_name(point: Mapping[str, JsonValue]) -> str:
    """A point as the name of a folder; characters that a path can't hold are escaped.

    Example:
        >>> folder_name({"steps": 5, "path": "a/b"})
        'steps=5,path=a%2Fb'
    """
    return ",".join(f"{quote(k, safe='')}={quote(_text(v), safe='')}" for k, v in point.items())


def _text(value: JsonValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
