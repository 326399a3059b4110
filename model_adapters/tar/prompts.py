"""Prompts as ids: chat template of Qwen2.5, image tokens by id, text that stays text."""

from __future__ import annotations

from collections.abc import Sequence

from model_adapters.tar.language import Language

__all__ = ["answer_prompt", "image_prompt"]

_SYSTEM = "You are a helpful assistant."


def answer_prompt(language: Language, text: str, images: Sequence[Sequence[int]]) -> list[int]:
    """Ids of a question.

    Codes stand before the text, a line feed behind the last image; no mark says where an image
    begins or ends. Several images are parted by a space, as the released evaluation does.

    Args:
        language: Tokenizer.
        text: The user's; names of tokens in it are text.
        images: Codes of each image.
    """
    if not images:
        return _chat(language, language.encode(f"user\n{text}"))
    first = language.vocabulary.first_code
    user = language.encode("user\n")
    for number, codes in enumerate(images):
        user += language.encode(" ") if number else []
        user += [first + code for code in codes]
    return _chat(language, user + language.encode(f"\n{text}"))


def image_prompt(language: Language, text: str, scale: int) -> list[int]:
    """Ids of a text to draw, up to where the image's first token comes.

    Args:
        language: Tokenizer.
        text: The user's; names of tokens in it are text.
        scale: 0, 1 or 2: how many tokens the image has.
    """
    vocabulary = language.vocabulary
    prompt = _chat(language, language.encode(f"user\n{text}"))
    return [*prompt, vocabulary.image_start, vocabulary.scales[scale]]


def _chat(language: Language, user: list[int]) -> list[int]:
    """One message of the user behind the system's, and the beginning of the answer."""
    start, end = language.vocabulary.chat_start, language.vocabulary.chat_end
    line = language.encode("\n")
    system = language.encode(f"system\n{_SYSTEM}")
    answer = language.encode("assistant\n")
    return [start, *system, end, *line, start, *user, end, *line, start, *answer]
