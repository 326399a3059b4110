"""Reading text: exact match, OCRBench containment, error rates, edit distances, ANLS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from tasks.scoring.edit_distance import edit_distance

__all__ = [
    "OCRBENCH_CATEGORIES",
    "ANLSVariant",
    "OCRBenchReport",
    "OCRBenchVariant",
    "anls",
    "anls_distances",
    "character_error_rate",
    "exact_match",
    "normalized_edit_distance",
    "ocrbench_correct",
    "ocrbench_report",
    "word_accuracy",
    "word_error_rate",
]

OCRBenchVariant = Literal["vlmevalkit", "lmms_eval", "lmms_eval_legacy"]
ANLSVariant = Literal["corrected", "legacy"]

_GOLDS = 1 << 14  # accepted answers whose normal forms are kept; a data set repeats them

_RECOGNITION = (
    "Regular Text Recognition",
    "Irregular Text Recognition",
    "Artistic Text Recognition",
    "Handwriting Recognition",
    "Digit String Recognition",
    "Non-Semantic Text Recognition",
)
_FORMULAS = "Handwritten Mathematical Expression Recognition"

OCRBENCH_CATEGORIES = (
    *_RECOGNITION,
    "Scene Text-centric VQA",
    "Doc-oriented VQA",
    "Key Information Extraction",
    _FORMULAS,
)
"""OCRBench's ten categories; the first six are text recognition."""

_CATEGORIES = frozenset(OCRBENCH_CATEGORIES)
_OCRBENCH_VARIANTS = frozenset(get_args(OCRBenchVariant))
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def exact_match(prediction: str, answers: Iterable[str], *, ignore_case: bool = True) -> bool:
    """Whether a prediction is one of the answers, spacing aside.

    The project's own rule: runs of white space count as one space, outer ones are ignored, and
    nothing else is normalised. (Each benchmark's own rule is in its own function.)

    Args:
        prediction: The text read.
        answers: Accepted texts.
        ignore_case: Compare with `str.casefold`.

    Returns:
        Whether it matches.

    Example:
        >>> exact_match(" STOP ", ["stop"]), exact_match("STOP", ["stop"], ignore_case=False)
        (True, False)
    """
    wanted = _squeeze(prediction, ignore_case)
    return any(_squeeze(answer, ignore_case) == wanted for answer in answers)


def _squeeze(text: str, ignore_case: bool) -> str:
    joined = " ".join(text.split())
    return joined.casefold() if ignore_case else joined


def ocrbench_correct(
    prediction: str,
    answers: Sequence[str],
    category: str,
    variant: OCRBenchVariant = "vlmevalkit",
) -> bool:
    """Whether a prediction contains one of the answers, by OCRBench's rule.

    Lower-cased, stripped, newlines read as spaces; for handwritten formulas the case counts and
    spaces don't. An empty answer is contained in everything, and a longer answer has more chances
    to contain the gold: both are the original's.

    `vlmevalkit` is `OCRBench_eval` of open-compass/VLMEvalKit at commit e8e78f0, `lmms_eval` is
    `ocrbench_process_results` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf, which also reads
    full-width ASCII as ASCII (formulas apart). `lmms_eval_legacy` is lmms-eval before #1278 (April
    2026) and #1415: it lower-cased the prediction but not the answer of formulas, so that a formula
    with a capital letter was always wrong, and had no full-width rule.

    Args:
        prediction: The model's answer.
        answers: Accepted texts.
        category: One of `OCRBENCH_CATEGORIES`.
        variant: Whose rule.

    Returns:
        Whether one is contained.

    Raises:
        ValueError: The category or the variant is unknown.

    Example:
        >>> ocrbench_correct("The sign says STOP.", ["Stop"], "Regular Text Recognition")
        True
        >>> ocrbench_correct("The sign says go", ["Stop"], "Regular Text Recognition")
        False
    """
    if category not in _CATEGORIES or variant not in _OCRBENCH_VARIANTS or type(answers) is str:
        _refuse(category, variant)
    if category == _FORMULAS:
        lowered = prediction.lower() if variant == "lmms_eval_legacy" else prediction
        text = _formula_text(lowered)
        return any(_formula_text(answer) in text for answer in answers)
    if variant == "lmms_eval":
        prediction, answers = _half_width(prediction), [_half_width(answer) for answer in answers]
    # All in one place, without a generator: this is called for each of very many rows.
    text = prediction.lower().strip().replace("\n", " ")
    for answer in answers:  # noqa: SIM110
        if answer.lower().strip().replace("\n", " ") in text:
            return True
    return False


def _half_width(text: str) -> str:
    return text if text.isascii() else text.translate(_HALF_WIDTH)


def _formula_text(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")


def _refuse(category: str, variant: str) -> None:
    if category not in _CATEGORIES:
        raise ValueError(f"unknown OCRBench category {category!r}: {OCRBENCH_CATEGORIES}")
    if variant not in _OCRBENCH_VARIANTS:
        raise ValueError(f"unknown OCRBench variant {variant!r}: {sorted(_OCRBENCH_VARIANTS)}")
    raise TypeError("answers is one string; give a list of accepted texts")


class OCRBenchReport(msgspec.Struct, frozen=True, kw_only=True):
    """OCRBench's counts of right answers."""

    per_category: dict[str, int]
    """Category to right answers, all ten categories."""
    n: int
    """Questions."""

    @property
    def text_recognition(self) -> int:
        """Right answers in the six categories of text recognition."""
        return sum(self.per_category[name] for name in _RECOGNITION)

    @property
    def final_score(self) -> int:
        """All right answers: the published score, out of 1000 for the whole benchmark."""
        return sum(self.per_category.values())

    @property
    def final_score_norm(self) -> float:
        """VLMEvalKit's normalised score: a tenth of the final score, whatever the number asked."""
        return self.final_score / 10

    @property
    def accuracy_of_1000(self) -> float:
        """lmms-eval's score: the final score over 1000, whatever the number asked."""
        return self.final_score / 1000


def ocrbench_report(
    rows: Iterable[tuple[str, str, Sequence[str]]], variant: OCRBenchVariant = "vlmevalkit"
) -> OCRBenchReport:
    """Count OCRBench's right answers.

    As `OCRBench_eval` (open-compass/VLMEvalKit at commit e8e78f0) or `ocrbench_aggregate_accuracy`
    (EvolvingLMMs-Lab/lmms-eval at commit 75571cf, whose count is not kept from one run to the
    next here).

    Args:
        rows: Category, prediction and accepted answers of each question.
        variant: Whose rule.

    Returns:
        The counts.

    Raises:
        ValueError: A category is unknown.

    Example:
        >>> report = ocrbench_report([("Digit String Recognition", "42", ["42"])])
        >>> report.final_score, report.final_score_norm, report.text_recognition
        (1, 0.1, 1)
    """
    counts = dict.fromkeys(OCRBENCH_CATEGORIES, 0)
    n = 0
    for category, prediction, answers in rows:
        counts[category] = counts.get(category, 0) + ocrbench_correct(
            prediction, answers, category, variant
        )
        n += 1
    return OCRBenchReport(per_category=counts, n=n)


def character_error_rate(prediction: str, reference: str) -> float:
    """Character edits per character of the reference (Morris et al., 2004, for characters).

    Args:
        prediction: The text read.
        reference: The true text.

    Returns:
        0 for equal texts; may be above 1.

    Raises:
        ValueError: The reference is empty, so the rate isn't defined.

    Example:
        >>> character_error_rate("stup", "stop")
        0.25
    """
    return _error_rate(prediction, reference)


def word_error_rate(prediction: str, reference: str) -> float:
    """Word edits per word of the reference; words are separated by white space.

    The usual WER (Morris et al., 2004), case-sensitive.

    Args:
        prediction: The text read.
        reference: The true text.

    Returns:
        0 for equal words; may be above 1.

    Raises:
        ValueError: The reference has no word.

    Example:
        >>> word_error_rate("hello word", "hello world")
        0.5
    """
    return _error_rate(prediction.split(), reference.split())


def _error_rate(prediction: Sequence[str], reference: Sequence[str]) -> float:
    if not reference:
        raise ValueError("an error rate needs a reference that isn't empty")
    return edit_distance(prediction, reference) / len(reference)


def word_accuracy(prediction: str, reference: str, *, ignore_case: bool = True) -> float:
    """Share of the reference's words that the prediction has, repeats counted, in any order.

    The measure for rendered text: an image that shows all the words asked for scores 1. The
    project's own definition; for the order-sensitive one see `word_error_rate`.

    Args:
        prediction: The text read.
        reference: The words asked for, separated by white space.
        ignore_case: Compare with `str.casefold`.

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: The reference has no word.

    Example:
        >>> word_accuracy("WORLD hello", "hello world"), word_accuracy("hello", "hello hello")
        (1.0, 0.5)
    """
    wanted = Counter(_squeeze(reference, ignore_case).split())
    if not wanted:
        raise ValueError("word accuracy needs a reference that isn't empty")
    found = Counter(_squeeze(prediction, ignore_case).split())
    return (wanted & found).total() / wanted.total()


def normalized_edit_distance(first: str, second: str) -> float:
    """Edit distance over the length of the longer text (as rapidfuzz's `normalized_distance`).

    Args:
        first: A text.
        second: Another.

    Returns:
        0 for equal texts (two empty ones included), 1 for texts without anything in common.

    Example:
        >>> normalized_edit_distance("stop", "stoop")
        0.2
    """
    longest = max(len(first), len(second))
    return edit_distance(first, second) / longest if longest else 0.0


def anls_distances(
    prediction: str, answers: Iterable[str], *, variant: ANLSVariant = "corrected"
) -> list[float]:
    """Normalised edit distance to each answer, case and spacing aside.

    `corrected` divides the distance by the length of what is compared (Biten et al., 2019, "Scene
    Text Visual Question Answering"). `legacy` is `anls_compute` of open-compass/VLMEvalKit at
    commit e8e78f0 and `anls` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf: it divides by the
    length of the upper-cased texts before outer and repeated spaces are removed, so that spaces
    make an answer count as closer.

    Args:
        prediction: The model's answer.
        answers: Accepted answers.
        variant: Which rule.

    Returns:
        A distance in [0, 1] for each answer.

    Example:
        >>> anls_distances("helo", ["Hello", "help"])
        [0.2, 0.25]
    """
    text = _anls_text(prediction)
    distances = []
    for answer in answers:
        gold = _anls_gold(answer)
        longest = _anls_length(prediction, answer, text, gold, variant)
        distances.append(edit_distance(gold, text) / longest if longest else 0.0)
    return distances


def _anls_text(text: str) -> str:
    return " ".join(text.lower().split())


_anls_gold = lru_cache(maxsize=_GOLDS)(_anls_text)


def _anls_length(prediction: str, answer: str, text: str, gold: str, variant: ANLSVariant) -> int:
    if variant == "corrected":
        return max(len(gold), len(text))
    # Upper-casing may lengthen a text, but not one of ASCII characters.
    return max(len(raw) if raw.isascii() else len(raw.upper()) for raw in (answer, prediction))


def anls(
    prediction: str,
    answers: Sequence[str],
    *,
    threshold: float = 0.5,
    variant: ANLSVariant = "corrected",
) -> float:
    """Average normalised Levenshtein similarity of one question.

    One minus the least distance to an answer, and 0 if that is below the threshold. `legacy` is
    `hit_calculate` of open-compass/VLMEvalKit at commit e8e78f0 for DocVQA and InfoVQA, and, on a
    stripped prediction, `anls` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf; see
    `anls_distances`. Distances that can't reach the threshold aren't computed to their end.

    Args:
        prediction: The model's answer.
        answers: Accepted answers.
        threshold: Similarities below this are 0.
        variant: Which rule.

    Returns:
        A score in [0, 1].

    Raises:
        ValueError: There is no answer.

    Example:
        >>> anls("helo", ["Hello"]), anls("bye", ["Hello"])
        (0.8, 0.0)
        >>> anls("stoo    ", ["stop"]), anls("stoo    ", ["stop"], variant="legacy")
        (0.75, 0.875)
    """
    if not answers:
        raise ValueError("ANLS needs at least one accepted answer")
    text = _anls_text(prediction)
    least = 1.0
    for answer in answers:
        gold = _anls_gold(answer)
        longest = _anls_length(prediction, answer, text, gold, variant)
        if not longest:
            return 1.0 if threshold <= 1 else 0.0
        # Above this many edits, neither the threshold nor the least distance can be reached.
        useful = int(min(1 - threshold, least) * longest) + 1
        edits = edit_distance(gold, text, at_most=max(useful, 0))
        least = min(least, edits / longest)
    similarity = 1 - least
    return similarity if similarity >= threshold else 0.0
