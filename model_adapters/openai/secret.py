"""A key that is sent to the server and shown to nobody."""

from __future__ import annotations

import os

from harness.errors import SpecError

__all__ = ["DEFAULT_ENV", "Secret"]

DEFAULT_ENV = "OPENAI_API_KEY"
"""Environment variable of the key where the user names none."""

_SHORTEST = 8
"""Shorter keys are placeholders such as `EMPTY`, whose letters may stand in any answer."""


class Secret:
    """A key out of the environment.

    Args:
        name: Environment variable that holds it.

    Raises:
        SpecError: The user named a variable that isn't set, or it can't be a header's value.
    """

    __slots__ = ("_value", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._value = os.environ.get(name, "").strip()
        if not self._value and name != DEFAULT_ENV:
            raise SpecError(f"the environment has no {name}", f"set it: export {name}=...")
        if not self._value.isascii() or not self._value.isprintable():
            raise SpecError(
                f"the key in {name} has characters that a header can't carry", "set it anew"
            )

    def headers(self) -> dict[str, str]:
        """What proves to the server who asks; nothing without a key, as local servers like it."""
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def hide(self, text: str) -> str:
        """The text without the key, should a server have put it there."""
        if len(self._value) < _SHORTEST:
            return text
        return text.replace(self._value, f"[{self.name}]")

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"
