"""A plain function as a model: `def answer(prompt, images) -> str`."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.adapter import ModelAdapter
from harness.errors import AdapterError, SpecError
from harness.records import (
    AnswerRequest,
    Capability,
    Fingerprint,
    JsonValue,
    ModelCard,
    Response,
)
from harness.text import cut_at_stop

__all__ = ["FunctionModel", "answers_plainly", "function_adapter"]

_CODE_VERSION = "1"
_ASKED = ("prompt", "images")
_OFFERED = ("seed", "decoding")


class FunctionModel(ModelAdapter):
    """Answers each request with one call of a function.

    Args:
        function: Takes `prompt` (text), `images` (RGB pictures), and `seed` and `decoding` where it
            names them; gives the answer as text.
        path: The file that holds it; its SHA-256 identifies the model.
        args: Further arguments of the function.
    """

    def __init__(
        self, function: Callable[..., Any], path: Path, args: dict[str, JsonValue]
    ) -> None:
        self._function, self._path, self._args = function, path, args
        self._takes = [name for name in _OFFERED if name in inspect.signature(function).parameters]
        self.card = ModelCard(
            name=function.__name__,
            summary=(inspect.getdoc(function) or "A function.").partition("\n")[0],
            capabilities=frozenset({Capability.ANSWER}),
            licence="unknown",
            source=path.name,
        )

    def fingerprint(self) -> Fingerprint:
        """Identity: the file that holds the function, and its arguments."""
        return Fingerprint(
            model=self.card.name,
            adapter=f"{self._path.name}:{self.card.name}",
            code_version=_CODE_VERSION,
            weights_sha256=None,
            config={
                "file_sha256": hashlib.sha256(self._path.read_bytes()).hexdigest(),
                "arguments": self._args,
            },
            defaults={},
            dtype="unknown",
            device="unknown",
        )

    def answer(self, requests: Sequence[AnswerRequest]) -> list[Response]:
        """Call the function for each request; the answer is cut at the first stop string."""
        return [Response(text=self._text(request)) for request in requests]

    def preferred_batch_size(self, capability: Capability) -> int:  # noqa: ARG002
        """One: the function takes one request, and a failure needs no batch to be split."""
        return 1

    def _text(self, request: AnswerRequest) -> str:
        if request.raw:
            raise self._lacks(Capability.RAW_TEXT)
        offered = {name: getattr(request, name) for name in self._takes}
        text = self._function(
            prompt=request.prompt, images=list(request.images), **offered, **self._args
        )
        if not isinstance(text, str):
            raise AdapterError(
                f"function {self.card.name!r} of {self._path} returned a {type(text).__name__}",
                "return the answer as text",
            )
        return cut_at_stop(text, request.decoding.stop)[0]


def answers_plainly(found: Any) -> bool:
    """Whether something is a plain function of `prompt` and `images`, not a class or a factory."""
    if not inspect.isfunction(found) or inspect.iscoroutinefunction(found):
        return False
    return set(_ASKED) <= set(inspect.signature(found).parameters)


def function_adapter(function: Callable[..., Any], path: Path) -> Callable[..., FunctionModel]:
    """A factory of models that takes the function's further arguments.

    These are the named ones, and any others if the function has `**kwargs`. `*args` stays empty.
    """

    def build(**args: JsonValue) -> FunctionModel:
        for name in (*_ASKED, *_OFFERED):
            if name in args:
                raise SpecError(
                    f"function {function.__name__!r} of {path}: {name} comes with each request",
                    f"leave out {name}",
                )
        return FunctionModel(function, path, args)

    signature = inspect.signature(function)
    own = [
        _by_name(parameter)
        for name, parameter in signature.parameters.items()
        if name not in (*_ASKED, *_OFFERED) and parameter.kind is not parameter.VAR_POSITIONAL
    ]
    build.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    return build


def _by_name(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter that is given by its name; `**kwargs` takes names as it is."""
    if parameter.kind is parameter.VAR_KEYWORD:
        return parameter
    return parameter.replace(kind=parameter.KEYWORD_ONLY)
