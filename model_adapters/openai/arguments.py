"""What users may set on an endpoint, checked before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from harness.errors import SpecError
from harness.records import Record

__all__ = ["Patience", "checked_extra", "checked_url", "switch", "whole"]

_PROTOCOL = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "min_tokens",
        "model",
        "n",
        "prompt",
        "response_format",
        "seed",
        "size",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
    }
)
"""Fields of a body that the task's protocol or an argument of the adapter decides."""


class Patience(Record, frozen=True, kw_only=True):
    """How long a request waits and how often it's tried."""

    connect_s: float = 15.0
    """Seconds until a connection must stand."""

    timeout_s: float = 300.0
    """Seconds that one attempt may take, to its last byte."""

    attempts: int = 6
    """Attempts in all; refusals such as 400 or 401 aren't tried again."""

    pause_s: float = 1.0
    """Seconds before the second attempt, doubled before each further one, less up to a half by
    chance."""

    longest_pause_s: float = 120.0
    """Longest pause; a server that asks for a longer one with `Retry-After` isn't asked again."""

    def checked(self) -> Patience:
        """The settings, if they make sense.

        Raises:
            SpecError: A number is out of range.
        """
        for name in ("connect_s", "timeout_s", "pause_s", "longest_pause_s"):
            if not _is_positive(getattr(self, name)):
                raise SpecError(
                    f"{name}={getattr(self, name)!r} isn't a positive number", f"write {name}=60"
                )
        whole("attempts", self.attempts)
        return self


def _is_positive(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0


def checked_url(url: str) -> str:
    """The address without a slash at its end.

    Raises:
        SpecError: It's no http or https address, or holds credentials. It isn't repeated: what
            can't be read may hold a key too.
    """
    if not url:
        raise SpecError(
            "model 'openai' has no address", "write --model openai:http://127.0.0.1:8000/v1"
        )
    # A password with a slash in it isn't seen as one, so no @ may stand anywhere.
    if any(mark in url for mark in "@?#"):
        raise SpecError(
            "the address of model 'openai' holds credentials or a query, which would be stored",
            "put the key into an environment variable and name it: --model-arg key_env=NAME",
        )
    if not _is_address(url):
        raise SpecError("what follows openai: is no address of a server", "write https://HOST/v1")
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # brackets without end, a port that is no number
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def checked_extra(extra: object) -> dict[str, Any]:
    """Further fields of each request's body.

    Raises:
        SpecError: It's no object, or holds what is decided elsewhere: a run would carry a protocol
            that it wasn't asked by.
    """
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        raise SpecError(f"extra={extra!r} is no object", 'write extra={"top_k": 1}')
    taken = sorted(_PROTOCOL & set(extra))
    if taken:
        raise SpecError(
            f"extra can't set {', '.join(taken)}: the task's protocol and the adapter's own "
            "arguments do",
            "leave it out of extra, and see docs/models.md for the arguments",
        )
    return dict(extra)


def switch(name: str, value: object) -> bool:
    """A switch's value.

    Raises:
        SpecError: It's neither on nor off.
    """
    if not isinstance(value, bool):
        raise SpecError(f"{name}={value!r} is neither on nor off", f"write {name}=on")
    return value


def whole(name: str, value: object) -> int:
    """A positive whole number.

    Raises:
        SpecError: It's something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError(f"{name}={value!r} isn't a positive whole number", f"write {name}=8")
    return value
