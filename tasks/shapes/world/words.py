"""Rendered three-character words and the question that asks for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasks.shapes.world.palette import COLORS, IMAGE_SIZE
from tasks.shapes.world.scene import Scene, Word
from tasks.shapes.world.seeds import SPLITS, generator

__all__ = ["WORD_LETTERS", "WORD_QUESTION", "WordSample", "word_sample", "words_of"]

WORD_LETTERS = "ACEHLOSTVX"
"""Letters that stay apart at 64 pixels."""

WORD_QUESTION = "what is written in the image?"
"""The question of every word sample."""

_TEST_EVERY = 5
_INK = tuple(name for name in COLORS if name != "yellow")


class WordSample(NamedTuple):
    """A scene with a word, and its reading."""

    question: str
    """`WORD_QUESTION`."""
    answer: str
    """The word."""
    scene: Scene
    """The scene that shows it."""


def _is_test(first: int, second: int, third: int) -> bool:
    # Each letter pair occurs in both splits, no word does.
    return (first + 2 * second + 3 * third) % _TEST_EVERY == 0


def words_of(split: str) -> tuple[str, ...]:
    """All words of a split, in alphabetical order: 200 for test, 800 for train.

    Raises:
        ValueError: For an unknown split.

    Example:
        >>> len(words_of("train")), len(words_of("test"))
        (800, 200)
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; use one of {', '.join(SPLITS)}")
    size = len(WORD_LETTERS)
    return tuple(
        WORD_LETTERS[i] + WORD_LETTERS[j] + WORD_LETTERS[k]
        for i, j, k in np.ndindex(size, size, size)
        if _is_test(i, j, k) == (split == "test")
    )


_WORDS = {split: words_of(split) for split in SPLITS}


def word_sample(seed: int, split: str, index: int) -> WordSample:
    """Sample `index` of the word stream. Test words never occur in training.

    Example:
        >>> word_sample(0, "test", 0).answer in words_of("test")
        True
    """
    rng = generator(seed, split, "word", index)
    text = _WORDS[split][int(rng.integers(len(_WORDS[split])))]
    x, y = (float(v) for v in rng.uniform((-3, -10), (3, 10)))
    color = _INK[int(rng.integers(len(_INK)))]
    word = Word(text=text, color=color, center=(IMAGE_SIZE / 2 + x, IMAGE_SIZE / 2 + y))
    return WordSample(WORD_QUESTION, text, Scene(word=word))
