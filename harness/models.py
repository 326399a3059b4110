"""Finding and building the model that a run names.

A model is named by its registry name, by `NAME:LOCATION` (short for the argument `path`), or by
`FILE.py:NAME` for an adapter, or a plain function that answers, in the user's own file.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.adapter import ModelAdapter
from harness.errors import AdapterError, SpecError
from harness.functions import answers_plainly, function_adapter
from harness.names import suggest
from harness.records import JsonValue
from harness.registry import models
from harness.runspec import ModelRef

__all__ = ["build_model", "find_model", "model_ref"]


def model_ref(
    text: str, args: Mapping[str, JsonValue] | None = None, label: str | None = None
) -> ModelRef:
    """Read a model as users write it.

    Raises:
        SpecError: The location is given twice.

    Example:
        >>> model_ref("cheers:/ckpt", {"dtype": "bfloat16"}).args
        {'path': '/ckpt', 'dtype': 'bfloat16'}
        >>> model_ref("./mine.py:Model").name
        './mine.py:Model'
    """
    given = dict(args or {})
    name, colon, location = text.partition(":")
    if not colon or _is_file(text):
        return ModelRef(name=text, args=given, label=label)
    if "path" in given:
        raise SpecError(
            f"model {text!r} names its location, and so does the argument path={given['path']!r}",
            "give it once",
        )
    return ModelRef(name=name, args={"path": location, **given}, label=label)


def find_model(name: str) -> Callable[..., ModelAdapter]:
    """The adapter class or factory of a name; no weights are loaded.

    Raises:
        UnknownNameError: No model has that name.
        AdapterError: The user's file can't be imported, or has no such class.
    """
    return _from_file(name) if _is_file(name) else models().get(name)


def build_model(ref: ModelRef) -> ModelAdapter:
    """Build the adapter of a model with the run's arguments.

    Raises:
        UnknownNameError: No model has that name.
        AdapterError: It can't be imported, or isn't an adapter.
        SpecError: It doesn't take these arguments.
    """
    factory = find_model(ref.name)
    _check_args(ref, factory)
    model = factory(**ref.args)
    if not isinstance(model, ModelAdapter):
        raise AdapterError(
            f"model {ref.name!r} is a {type(model).__name__}, not an adapter",
            "derive its class from harness.ModelAdapter, or name a function of prompt and images",
        )
    return model


def _check_args(ref: ModelRef, factory: Callable[..., Any]) -> None:
    signature = inspect.signature(factory)
    try:
        signature.bind(**ref.args)
    except TypeError as error:
        accepted = list(signature.parameters)
        wrong = next((name for name in ref.args if name not in accepted), "")
        takes = f"it takes: {', '.join(accepted) or 'none'}"
        raise SpecError(
            f"model {ref.name!r}: {error}",
            "; ".join(filter(None, (suggest(wrong, accepted), takes))),
        ) from error


def _is_file(name: str) -> bool:
    return name.partition(":")[0].endswith(".py")


def _from_file(name: str) -> Callable[..., ModelAdapter]:
    location, _, attribute = name.partition(":")
    path = Path(location)
    if not path.is_file() or not attribute:
        raise AdapterError(
            f"model {name!r}: "
            + (f"no file {path}" if attribute else "no class is named behind the file"),
            "write ./file.py:NAME, a class or a function",
        )
    module = _imported(path)
    if not hasattr(module, attribute):
        hint = suggest(attribute, vars(module))
        raise AdapterError(f"{path} has no {attribute!r}", hint or "name the class in that file")
    found: Callable[..., Any] = getattr(module, attribute)
    return function_adapter(found, path) if answers_plainly(found) else found


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AdapterError(f"{path} can't be imported", "name a Python file")
    module = importlib.util.module_from_spec(spec)
    # As on the command line of Python, the file may import its neighbours.
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AdapterError(f"{path} fails on import: {error!r}", "mend the file") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module
