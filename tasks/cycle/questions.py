"""Four-option questions whose right answers a GenEval record states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from tasks.scoring.geneval import PromptSpec, Requirement

__all__ = ["KINDS", "LETTERS", "Question", "Vocabulary", "ask_about"]

KINDS = ("existence", "count", "color", "position")
"""What is asked about."""

LETTERS = "ABCD"
"""Labels of the options."""


class Vocabulary(NamedTuple):
    """The names that wrong options are taken from; at least four of each kind."""

    classes: tuple[str, ...]
    """Names of objects."""
    colors: tuple[str, ...]
    """Names of colours."""
    numbers: Mapping[int, str]
    """Number words, four of them."""


class Question(NamedTuple):
    """A question about a picture that was drawn from a record."""

    kind: str
    """One of `KINDS`."""
    text: str
    """The question, without its options."""
    options: tuple[str, str, str, str]
    """The options, in the order of `LETTERS`."""
    answer: str
    """The option that the record states."""
    objects: tuple[str, ...]
    """Classes that it's about: for a position, whose place is asked and relative to what."""


def ask_about(spec: PromptSpec, words: Vocabulary, draw: np.random.Generator) -> list[Question]:
    """The questions that a record answers: one, or one for each colour that it states.

    Args:
        spec: The record.
        words: Where wrong options come from.
        draw: Draws wrong options and their order.

    Raises:
        ValueError: The record states nothing that can be asked about.
    """
    asked = [_question(fact, draw) for fact in _facts(spec, words)]
    if not asked:
        raise ValueError(f"the prompt {spec.prompt!r} states nothing to ask about")
    return asked


class _Fact(NamedTuple):
    kind: str
    text: str
    answer: str
    wrong: Sequence[str]
    objects: tuple[str, ...]


def _facts(spec: PromptSpec, words: Vocabulary) -> Iterator[_Fact]:
    placed = [clause for clause in spec.include if clause.position is not None]
    colored = [clause for clause in spec.include if clause.color is not None]
    counted = [clause for clause in spec.include if clause.count > 1]
    if placed:
        yield from (_position(clause, spec) for clause in placed)
    elif colored:
        yield from (_color(clause, words) for clause in colored)
    elif counted:
        yield from (_count(clause, words) for clause in counted)
    elif spec.include:
        yield _existence([clause.class_name for clause in spec.include], words)


def _position(clause: Requirement, spec: PromptSpec) -> _Fact:
    from tasks.scoring.geneval import RELATIONS

    assert clause.position is not None  # noqa: S101 -- the caller picks those with one
    name, other = clause.class_name, spec.include[clause.position.target].class_name
    relation = str(clause.position.relation)
    wrong = [one for one in RELATIONS if one != relation]
    text = f"where is the {name} relative to the {other}?"
    return _Fact("position", text, relation, wrong, (name, other))


def _color(clause: Requirement, words: Vocabulary) -> _Fact:
    name, color = clause.class_name, str(clause.color)
    wrong = [one for one in words.colors if one != color]
    return _Fact("color", f"what color is the {name}?", color, wrong, (name,))


def _count(clause: Requirement, words: Vocabulary) -> _Fact:
    name, number = clause.class_name, words.numbers[clause.count]
    wrong = [word for word in words.numbers.values() if word != number]
    text = f"how many {_plural(name)} are in the image?"
    return _Fact("count", text, number, wrong, (name,))


def _existence(names: Sequence[str], words: Vocabulary) -> _Fact:
    """One object against three that aren't asked for, or a pair against three other pairs."""
    if len(names) == 1:
        wrong = [_with_article(name) for name in words.classes if name not in names]
        text = "which of these is in the image?"
        return _Fact("existence", text, _with_article(names[0]), wrong, tuple(names))
    pairs = combinations(words.classes, len(names))
    others = [_together(pair) for pair in pairs if set(pair) != set(names)]
    text = "which of these are in the image?"
    return _Fact("existence", text, _together(names), others, tuple(names))


def _together(names: Sequence[str]) -> str:
    return " and ".join(map(_with_article, names))


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _plural(name: str) -> str:
    """Plural as GenEval's prompts have it."""
    return f"{name}es" if name.endswith("s") else f"{name}s"


def _question(fact: _Fact, draw: np.random.Generator) -> Question:
    chosen = [fact.wrong[i] for i in draw.permutation(len(fact.wrong))[: len(LETTERS) - 1]]
    chosen.insert(int(draw.integers(len(LETTERS))), fact.answer)
    a, b, c, d = chosen
    return Question(fact.kind, fact.text, (a, b, c, d), fact.answer, fact.objects)
