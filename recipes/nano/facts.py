"""All simple questions that a scene answers: more per image than the suite asks."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from tasks.shapes.world import COLORS, SHAPES, Scene, ShapeObject, format_mcq
from tasks.shapes.world.layouts import RELATIONS, opposite
from tasks.shapes.world.palette import NUMBER_WORDS, plural
from tasks.shapes.world.questions import LETTERS

__all__ = ["Fact", "as_mcq", "facts_of"]

_DESCRIPTIONS = tuple(f"a {color} {shape}" for color in COLORS for shape in SHAPES)


class Fact(NamedTuple):
    """A question with its answer and what else could be answered."""

    kind: str
    """Category of the suite that asks such questions."""
    question: str
    """The question."""
    answer: str
    """Its answer."""
    wrong: tuple[str, ...]
    """At least three wrong answers of the same kind."""


def facts_of(scene: Scene) -> list[Fact]:
    """Every question of the suite's five categories that the scene answers without doubt."""
    shapes = Counter(item.shape for item in scene.objects)
    colors = Counter(item.color for item in scene.objects)
    facts = [_count(shape, number) for shape, number in shapes.items()]
    for item in scene.objects:
        if shapes[item.shape] == 1:
            question = f"what color is the {item.shape}?"
            facts.append(_fact("color", question, item.color, tuple(COLORS)))
        if colors[item.color] == 1:
            question = f"what shape is the {item.color} object?"
            facts.append(_fact("shape", question, item.shape, SHAPES))
    if len(scene.objects) == 2 and len(shapes) == 2:
        first, second = scene.objects
        facts += [_position(first, second), _position(second, first)]
    shown = {f"a {item.color} {item.shape}" for item in scene.objects}
    wrong = tuple(text for text in _DESCRIPTIONS if text not in shown)
    question = "which of these is in the image?"
    facts += [Fact("existence", question, text, wrong) for text in sorted(shown)]
    return facts


def _fact(kind: str, question: str, answer: str, pool: tuple[str, ...]) -> Fact:
    return Fact(kind, question, answer, tuple(name for name in pool if name != answer))


def _count(shape: str, number: int) -> Fact:
    words = tuple(NUMBER_WORDS.values())
    question = f"how many {plural(shape)} are in the image?"
    return _fact("count", question, NUMBER_WORDS[number], words)


def _position(first: ShapeObject, second: ShapeObject) -> Fact:
    (x0, y0), (x1, y1) = first.center, second.center
    if abs(x0 - x1) > abs(y0 - y1):
        relation = "left of" if x0 < x1 else opposite("left of")
    else:
        relation = "above" if y0 < y1 else opposite("above")
    question = f"where is the {first.shape} relative to the {second.shape}?"
    return _fact("position", question, relation, RELATIONS)


def as_mcq(fact: Fact, rng: np.random.Generator) -> tuple[str, str]:
    """A four-option prompt with shuffled options, and the text of the right one.

    MMBench's rule reads an option's text as well as its letter, and a text needs no look-up.
    """
    wrong = [fact.wrong[i] for i in rng.permutation(len(fact.wrong))[:3]]
    place = int(rng.integers(len(LETTERS)))
    options = (*wrong[:place], fact.answer, *wrong[place:])
    return format_mcq(fact.question, options), fact.answer
