"""A key that is sent to the server and shown to nobody."""

from __future__ import annotations

import os
import re
from typing import Any

from harness.errors import SpecError

__all__ = ["DEFAULT_ENV", "Secret"]

DEFAULT_ENV = "OPENAI_API_KEY"
"""Environment variable of the key where the user names none."""

_SHORTEST = 8
"""Shorter keys are placeholders such as `EMPTY`, whose letters may stand in any answer."""

_MOST_SLASHES = 8
"""Backslashes before a character; JSON within JSON within JSON has 7."""


class Secret:
    """A key out of the environment.

    Args:
        name: Environment variable that holds it.

    Raises:
        SpecError: The user named a variable that isn't set, or it can't be a header's value.
    """

    __slots__ = ("_escaped", "_value", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._value = os.environ.get(name, "").strip()
        if not self._value and name != DEFAULT_ENV:
            raise SpecError(f"the environment has no {name}", f"set it: export {name}=...")
        if not self._value.isascii() or not self._value.isprintable():
            raise SpecError(
                f"the key in {name} has characters that a header can't carry", "set it anew"
            )
        self._escaped = re.compile("".join(map(_spellings, self._value)))

    def headers(self) -> dict[str, str]:
        """What proves to the server who asks; nothing without a key, as local servers like it."""
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def hide(self, text: str) -> str:
        """The text without the key, should a server have put it there.

        JSON may spell a character in several ways (RFC 8259, 7), and servers put JSON into strings
        of JSON: a key is found however its characters are escaped.
        """
        if len(self._value) < _SHORTEST:
            return text
        if "\\" not in text:
            return text.replace(self._value, f"[{self.name}]")
        return self._escaped.sub(lambda _: f"[{self.name}]", text)

    def hide_within(self, value: Any) -> Any:
        """A value out of JSON with the key hidden in each string, names of fields included."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, list):
            return [self.hide_within(one) for one in value]
        if isinstance(value, dict):
            return {self.hide(name): self.hide_within(one) for name, one in value.items()}
        return value

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"


def _spellings(character: str) -> str:
    """A pattern of the character as it is, behind backslashes, or by its number."""
    slashes, code = (
        rf"\\{{1,{_MOST_SLASHES}}}",
        "".join(f"[{digit}{digit.upper()}]" for digit in f"{ord(character):04x}"),
    )
    return rf"(?:{slashes}u{code}|(?:{slashes})?{re.escape(character)})"
