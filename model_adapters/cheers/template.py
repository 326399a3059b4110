"""The chat template: ChatML with CHEERS' system line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

SYSTEM = "You are a helpful assistant."
"""The system line that stands first in every prompt."""

IMAGE_MESSAGE = "<im_start><image><im_end>\n"
"""How an image to understand stands in a message."""

IMAGE_GEN_MESSAGE = "<im_start><image_gen><im_end>"
"""How an image to generate stands in an answer that is trained on."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: str
    """What is said, image placeholders included."""


def with_images(text: str, count: int) -> str:
    r"""A message that shows `count` images before its text.

    Example:
        >>> with_images("What is it?", 1)
        '<im_start><image><im_end>\nWhat is it?'
    """
    return IMAGE_MESSAGE * count + text


def render(messages: Sequence[Message], *, open_answer: bool = True) -> str:
    """Write a conversation as the model reads it.

    Args:
        messages: the turns; the system line is put first unless the first turn is one.
        open_answer: whether to open the assistant's turn for the model to fill.

    Example:
        >>> print(render([Message(role="user", content="Hi")]))
        <|im_start|>system
        You are a helpful assistant.<|im_end|>
        <|im_start|>user
        Hi<|im_end|>
        <|im_start|>assistant
        <BLANKLINE>
    """
    turns = list(messages)
    if not turns or turns[0].role != "system":
        turns.insert(0, Message(role="system", content=SYSTEM))
    text = "".join(f"<|im_start|>{turn.role}\n{turn.content}<|im_end|>\n" for turn in turns)
    return text + ("<|im_start|>assistant\n" if open_answer else "")
