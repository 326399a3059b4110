"""Soft-TIFA of GenEval 2 (arXiv 2512.16853): how likely a judge gives the right answers.

A prompt is taken apart into atoms, each a question with an expected answer. Every atom scores the
judge's probability of that answer. The arithmetic mean says how much of a prompt is there, skill by
skill; the geometric mean how likely all of it is at once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

__all__ = [
    "Atom",
    "SoftTIFASummary",
    "answer_probability",
    "arithmetic_mean",
    "geometric_mean",
    "spellings",
    "summarise_soft_tifa",
]

_SLACK = 1e-6
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Atom(msgspec.Struct, frozen=True, kw_only=True):
    """One question about one image."""

    skill: str
    """What it asks about: object, attribute, count, position or verb."""
    probability: float
    """The judge's probability of the expected answer, in [0, 1]."""


class SoftTIFASummary(msgspec.Struct, frozen=True, kw_only=True):
    """Figures in [0, 1]."""

    am: float
    """Mean over prompts of the arithmetic means."""
    gm: float
    """Mean over prompts of the geometric means."""
    skills: Mapping[str, float]
    """Mean over all atoms of a skill."""


def spellings(answer: str) -> tuple[str, ...]:
    """Ways in which a judge may begin its answer if it means the expected one.

    As given, in lower case, with a capital letter, and as a numeral if it's a number word up to
    ten; each of them also after a space, as `evaluation.py` of facebookresearch/GenEval2 at commit
    a6e82d2 has them.

    Raises:
        ValueError: It's empty.

    Example:
        >>> spellings("two")
        ('two', 'Two', '2', ' two', ' Two', ' 2')
    """
    plain = answer.strip()
    if not plain:
        raise ValueError("an atom's expected answer is empty")
    ways = [plain, plain.lower(), plain[0].upper() + plain[1:].lower()]
    if plain.lower() in _NUMBERS:
        ways.append(str(1 + _NUMBERS.index(plain.lower())))
    return tuple(dict.fromkeys([*ways, *(f" {way}" for way in ways)]))


def answer_probability(loglikelihoods: Mapping[str, float]) -> float:
    """Probability that a judge's answer begins with one of several spellings.

    Events that aren't disjoint are counted once: a spelling that begins with another one, such as
    `2.` with `2`, is part of it; and a spelling as likely, to the last bit, as the same after a
    space is one that the judge's tokenizer doesn't tell from it. The original adds the probability
    of each string's first token, so that strings which share it are counted twice and can pass 1.

    Args:
        loglikelihoods: Spelling to the natural logarithm of its probability given the question.

    Raises:
        ValueError: There are no spellings, or the sum isn't a probability.

    Example:
        >>> answer_probability({"two": math.log(0.5), "Two": math.log(0.25)})
        0.75
        >>> answer_probability({"2": math.log(0.5), "2.": math.log(0.5)})
        0.5
        >>> answer_probability({"2": math.log(0.5), " 2": math.log(0.5)})
        0.5
    """
    if not loglikelihoods:
        raise ValueError("no spelling of the answer was scored")
    events = {
        (spelling.strip(), value): value
        for spelling, value in loglikelihoods.items()
        if not any(spelling != other and spelling.startswith(other) for other in loglikelihoods)
    }
    return _checked(math.fsum(map(math.exp, events.values())))


def arithmetic_mean(probabilities: Sequence[float]) -> float:
    """Mean of a prompt's atoms.

    Raises:
        ValueError: There are none, or one isn't in [0, 1].

    Example:
        >>> arithmetic_mean([1.0, 0.5])
        0.75
    """
    return math.fsum(map(_checked, _some(probabilities))) / len(probabilities)


def geometric_mean(probabilities: Sequence[float]) -> float:
    """Geometric mean of a prompt's atoms; 0 if any of them is 0.

    Raises:
        ValueError: There are none, or one isn't in [0, 1].

    Example:
        >>> geometric_mean([1.0, 0.25])
        0.5
        >>> geometric_mean([1.0, 0.0])
        0.0
    """
    values = [_checked(p) for p in _some(probabilities)]
    if min(values) == 0:
        return 0.0
    return min(1.0, math.exp(math.fsum(map(math.log, values)) / len(values)))


def summarise_soft_tifa(prompts: Iterable[Sequence[Atom]]) -> SoftTIFASummary:
    """Figures over prompts.

    Args:
        prompts: The atoms of each prompt.

    Raises:
        ValueError: There are no prompts, or one has no atoms.
    """
    arithmetic, geometric = [], []
    skills: dict[str, list[float]] = defaultdict(list)
    for atoms in prompts:
        probabilities = [atom.probability for atom in atoms]
        arithmetic.append(arithmetic_mean(probabilities))
        geometric.append(geometric_mean(probabilities))
        for atom in atoms:
            skills[atom.skill].append(atom.probability)
    return SoftTIFASummary(
        am=arithmetic_mean(arithmetic),
        gm=arithmetic_mean(geometric),
        skills={name: arithmetic_mean(values) for name, values in sorted(skills.items())},
    )


def _some(probabilities: Sequence[float]) -> Sequence[float]:
    if not probabilities:
        raise ValueError("a prompt without atoms has no score")
    return probabilities


def _checked(probability: float) -> float:
    """A probability, rounding of a sum forgiven."""
    if not -_SLACK <= probability <= 1 + _SLACK:  # also refuses NaN
        raise ValueError(f"{probability} isn't a probability")
    return min(1.0, max(0.0, probability))
