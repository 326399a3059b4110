"""Prompts that ask for given text: drawn from seeds, or read from the user's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.data.hashing import check_hash, hash_file
from harness.data.hub import locate
from harness.errors import DataError, SpecError
from harness.records import DatasetInfo, digest
from tasks.ocr.scores import normalise
from tasks.ocr.words import LONG_WORDS, MIDDLE_WORDS, SHORT_WORDS, Dice, sentence

__all__ = ["KINDS", "DrawnTexts", "FileTexts", "TextPrompt", "WorldTexts"]

_REVISION = "1"
_LICENCE = "Apache-2.0"


class TextPrompt(NamedTuple):
    """A prompt with the text that its picture has to show."""

    prompt: str
    """What the model is asked for."""
    text: str
    """What must be read off the picture."""
    category: str
    """Kind and length of the text."""


class DrawnTexts:
    """`each` prompts of every kind, kinds taking turns; one is a function of its number.

    Args:
        each: Prompts of a kind.
        seed: Seed, >= 0.
    """

    def __init__(self, each: int, seed: int) -> None:
        self._each = each
        self._seed = seed

    def dataset(self) -> DatasetInfo:
        """Identity: the hash of all prompts that are asked."""
        return _drawn_dataset("text-rendering", list(self.prompts()))

    def prompts(self) -> Iterator[TextPrompt]:
        """The prompts."""
        for number in range(self._each):
            for kind, make in _MAKERS.items():
                dice = Dice(self._seed, f"text-rendering/{kind}/{number}")
                text = make(dice)
                yield TextPrompt(dice.pick(_CARRIERS[kind]).format(text=text), text, kind)


class WorldTexts:
    """Words of three letters of the embedded world: all that its template reader can read.

    Args:
        each: Prompts.
        seed: Seed, >= 0.
    """

    def __init__(self, each: int, seed: int) -> None:
        self._each = each
        self._seed = seed

    def dataset(self) -> DatasetInfo:
        """Identity: the hash of all prompts that are asked."""
        return _drawn_dataset("text-rendering/shapes-world", list(self.prompts()))

    def prompts(self) -> Iterator[TextPrompt]:
        """The prompts."""
        from tasks.shapes.world.words import words_of

        words = words_of("test")
        for number in range(self._each):
            text = Dice(self._seed, f"text-rendering/world/{number}").pick(words)
            yield TextPrompt(f'the word "{text}"', text, "world")


class FileTexts:
    """Prompts of a JSON-lines file: `prompt`, `text` and, if there is one, `category`.

    Args:
        location: Path, or `hf://datasets/OWNER/NAME/FILE@REVISION`.
        sha256: Hash that the file must have; empty takes any, and the protocol says which.
    """

    def __init__(self, location: str, sha256: str) -> None:
        self._location = location
        self._sha256 = sha256

    def dataset(self) -> DatasetInfo:
        """Identity of the file: its hash.

        Raises:
            DataError: It isn't there, or has another hash than the one demanded.
        """
        found = hash_file(self._path())
        return DatasetInfo(
            name="text-rendering-file",
            revision=found[:12],
            split="test",
            licence="unknown",
            sha256=found,
        )

    def prompts(self) -> Iterator[TextPrompt]:
        """The prompts, streamed.

        Raises:
            DataError: The file isn't there or is empty, or has another hash than demanded.
            SpecError: A line is malformed; the message names file and line.
        """
        path, empty = self._path(), True
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    empty = False
                    yield _parsed(line, f"{path}, line {number}")
        if empty:
            raise DataError(f"{path} has no prompts", _FORMAT)

    def _path(self) -> Path:
        path = locate(self._location, "prompt file")
        check_hash(path, self._sha256, "text-rendering's prompt file")
        return path


class _Line(msgspec.Struct, frozen=True):
    prompt: str
    text: str
    category: str = "file"


_FORMAT = 'write one object per line: {"prompt": "...", "text": "...", "category": "..."}'


def _parsed(line: bytes, where: str) -> TextPrompt:
    try:
        row = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{where}: {error}", _FORMAT) from error
    for name in ("prompt", "text", "category"):
        if not normalise(getattr(row, name)):
            raise SpecError(f"{where}: {name!r} is empty", _FORMAT)
    return TextPrompt(row.prompt, row.text, row.category)


def _drawn_dataset(name: str, prompts: list[TextPrompt]) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        revision=_REVISION,
        split="test",
        licence=_LICENCE,
        sha256=digest([list(one) for one in prompts], 64),
        source="tasks/ocr/prompts.py",
    )


def _cased(dice: Dice, text: str) -> str:
    return dice.pick((text, text.title(), text.upper()))


def _short(dice: Dice) -> str:
    return _cased(dice, dice.pick(SHORT_WORDS))


def _long(dice: Dice) -> str:
    return _cased(dice, dice.pick(LONG_WORDS))


def _several(dice: Dice) -> str:
    words = [dice.pick(SHORT_WORDS + MIDDLE_WORDS) for _ in range(2 + dice.below(3))]
    return _cased(dice, " ".join(words))


def _digits(dice: Dice) -> str:
    length = 2 + dice.below(5)
    return str(10 ** (length - 1) + dice.below(9 * 10 ** (length - 1)))


def _mixed_case(dice: Dice) -> str:
    first, second = dice.pick(SHORT_WORDS), dice.pick(SHORT_WORDS)
    return dice.pick((first, first.title())) + second.title()


_MAKERS: Mapping[str, Callable[[Dice], str]] = {
    "short_word": _short,
    "long_word": _long,
    "words": _several,
    "sentence": sentence,
    "digits": _digits,
    "mixed_case": _mixed_case,
}

KINDS = tuple(_MAKERS)
"""Categories of the drawn prompts: a word of 3 to 6 letters, one of 8 and more, two to four words,
a sentence of seven words, two to six digits, and two words grown together like `riverStone`."""

_SIGNS = (
    'a sign that says "{text}"',
    'a neon sign that says "{text}"',
    'a coffee mug with the word "{text}"',
    'a t-shirt with "{text}" printed on it',
    'a wooden door with the word "{text}" painted on it',
)

_CARRIERS: Mapping[str, tuple[str, ...]] = {
    "short_word": _SIGNS,
    "long_word": _SIGNS,
    "words": (
        'a poster that says "{text}"',
        'a book cover with the title "{text}"',
        'a shop window with the words "{text}"',
        'a birthday cake with "{text}" written on it',
    ),
    "sentence": (
        'a chalkboard that says "{text}"',
        'a poster with the sentence "{text}"',
        'a handwritten note that says "{text}"',
    ),
    "digits": (
        'a house number sign that says "{text}"',
        'a football shirt with the number "{text}"',
        'a train ticket with the number "{text}"',
    ),
    "mixed_case": ('a logo that says "{text}"', 'a computer screen that shows "{text}"'),
}
