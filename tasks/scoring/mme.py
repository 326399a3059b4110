"""MME: accuracy, and accuracy of whole pairs, of yes/no questions that come two to an image.

A category scores its accuracy plus its accuracy+ (both questions on an image right), each in
percent, so at most 200 (Fu et al., 2023, "MME: A Comprehensive Evaluation Benchmark for Multimodal
Large Language Models"). Perception sums ten categories, cognition four.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tasks.scoring.yesno import YesNo

__all__ = ["COGNITION", "PERCEPTION", "MMEAnswer", "MMECategory", "MMEReport", "mme_report"]

PERCEPTION = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark",
    "artwork", "OCR",
)  # fmt: skip
"""Categories of the perception score."""
COGNITION = (
    "commonsense_reasoning",
    "numerical_calculation",
    "text_translation",
    "code_reasoning",
)
"""Categories of the cognition score ("reasoning" in VLMEvalKit)."""

_QUESTIONS = 2  # on each image


class MMEAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to one question."""

    category: str
    """One of `PERCEPTION` or `COGNITION`."""
    image: str
    """What the two questions on one image have in common."""
    truth: YesNo
    """The right answer."""
    said: YesNo | None
    """What the model's answer says; None is unparsed and counts as wrong."""


class MMECategory(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one category."""

    accuracy: float
    """Right answers in percent."""
    accuracy_plus: float
    """Images with both answers right, in percent."""
    images: int
    """Images."""
    unparsed: int
    """Answers that say neither yes nor no."""

    @property
    def score(self) -> float:
        """Accuracy plus accuracy+, at most 200."""
        return self.accuracy + self.accuracy_plus


class MMEReport(msgspec.Struct, frozen=True, kw_only=True):
    """MME's figures."""

    per_category: dict[str, MMECategory]
    """Categories with answers."""

    @property
    def perception(self) -> float | None:
        """Sum over the ten perception categories, at most 2000; None if one is missing."""
        return self._total(PERCEPTION)

    @property
    def cognition(self) -> float | None:
        """Sum over the four cognition categories, at most 800; None if one is missing."""
        return self._total(COGNITION)

    def _total(self, names: Iterable[str]) -> float | None:
        figures = [self.per_category.get(name) for name in names]
        known = [figure.score for figure in figures if figure is not None]
        return sum(known) if len(known) == len(figures) else None


def mme_report(answers: Iterable[MMEAnswer]) -> MMEReport:
    """Score MME.

    As `MME_rating` of open-compass/VLMEvalKit at commit e8e78f0 if answers are read with
    `tasks.scoring.yesno.yes_no`, and as `mme_aggregate_results` of EvolvingLMMs-Lab/lmms-eval at
    commit 75571cf if they are read with `mme_label`; the totals are the same.

    Args:
        answers: All answers, in any order.

    Returns:
        Figures by category, and the two totals.

    Raises:
        ValueError: A category is unknown, or an image hasn't got exactly two answers.

    Example:
        >>> ask = dict(category="count", image="1.png")
        >>> report = mme_report(
        ...     [
        ...         MMEAnswer(truth="yes", said="yes", **ask),
        ...         MMEAnswer(truth="no", said="yes", **ask),
        ...     ]
        ... )
        >>> report.per_category["count"].score, report.perception
        (50.0, None)
    """
    categories: dict[str, dict[str, list[MMEAnswer]]] = {}
    for answer in answers:
        if answer.category not in PERCEPTION + COGNITION:
            raise ValueError(f"unknown MME category {answer.category!r}: {PERCEPTION + COGNITION}")
        images = categories.setdefault(answer.category, {})
        images.setdefault(answer.image, []).append(answer)
    return MMEReport(
        per_category={name: _figures(name, images) for name, images in categories.items()}
    )


def _figures(category: str, images: Mapping[str, list[MMEAnswer]]) -> MMECategory:
    for image, pair in images.items():
        if len(pair) != _QUESTIONS:
            raise ValueError(f"image {image!r} of {category} has {len(pair)} answers, not 2")
    pairs = list(images.values())
    right = [[answer.said == answer.truth for answer in pair] for pair in pairs]
    return MMECategory(
        accuracy=100 * sum(map(sum, right)) / (_QUESTIONS * len(pairs)),
        accuracy_plus=100 * sum(map(all, right)) / len(pairs),
        images=len(pairs),
        unparsed=sum(answer.said is None for pair in pairs for answer in pair),
    )
