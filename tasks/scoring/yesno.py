"""Yes/no questions: what an answer says, and POPE's totals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from tasks.scoring.vqa import process_punctuation

__all__ = ["BinaryScores", "YesNo", "binary_scores", "mme_label", "strict_yes_no", "yes_no"]

YesNo = Literal["yes", "no"]

_PREFIX = 4  # characters of an answer that MME's rule looks at


def yes_no(answer: str) -> YesNo | None:
    """Read an answer that has the word yes or the word no, but not both.

    As `YOrN_Extraction` of open-compass/VLMEvalKit at commit e8e78f0.

    Args:
        answer: The model's answer.

    Returns:
        What it says, or None ("Unknown" there).

    Example:
        >>> yes_no("Yes, it is."), yes_no("yes and no"), yes_no("maybe")
        ('yes', None, None)
    """
    words = process_punctuation(answer.lower()).split()
    if ("yes" in words) == ("no" in words):
        return None
    return "yes" if "yes" in words else "no"


def strict_yes_no(answer: str) -> YesNo | None:
    """Read an answer that is the bare word, case and outer white space aside.

    As `pope_process_results` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf.

    Args:
        answer: The model's answer.

    Returns:
        What it says, or None.

    Example:
        >>> strict_yes_no(" Yes"), strict_yes_no("Yes.")
        ('yes', None)
    """
    words: dict[str, YesNo] = {"yes": "yes", "no": "no"}
    return words.get(answer.lower().strip())


def mme_label(answer: str) -> YesNo | None:
    """Read the beginning of an answer, as MME's scorer does.

    One letter may be y or n; else yes, then no, is looked for anywhere in the first four
    characters, periods aside. As `parse_pred_ans` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf.

    Args:
        answer: The model's answer.

    Returns:
        What it says, or None ("other" there).

    Example:
        >>> mme_label("Yes, there is"), mme_label("n"), mme_label("not sure"), mme_label("maybe")
        ('yes', 'no', 'no', None)
    """
    text = answer.lower().strip().replace(".", "")
    if len(text) == 1:
        letters: dict[str, YesNo] = {"y": "yes", "n": "no"}
        return letters.get(text)
    if "yes" in text[:_PREFIX]:
        return "yes"
    return "no" if "no" in text[:_PREFIX] else None


class BinaryScores(msgspec.Struct, frozen=True, kw_only=True):
    """POPE's figures, all in [0, 1]; yes is the positive answer."""

    accuracy: float
    """Share of right answers."""
    precision: float
    """Share of predicted yes that is yes; 0 if none is predicted."""
    recall: float
    """Share of true yes that is predicted; 0 if there is none."""
    f1: float
    """Harmonic mean of precision and recall; 0 if both are 0."""
    yes_ratio: float
    """Share of answers that say yes."""
    true_yes_ratio: float
    """Share of questions whose right answer is yes; lmms-eval reports it as the yes-ratio."""
    n: int
    """Questions."""
    unparsed: int
    """Answers that say neither; they count as not yes, and as wrong."""


def binary_scores(
    pairs: Iterable[tuple[YesNo, YesNo | None]], *, recall_over: Literal["all", "parsed"] = "all"
) -> BinaryScores:
    """Accuracy, precision, recall and F1 of yes/no answers.

    `all` is `POPE_rating` of open-compass/VLMEvalKit at commit e8e78f0 (which reports percent, and
    pools questions once for each of their categories). `parsed` is `pope_aggregate_*` of
    EvolvingLMMs-Lab/lmms-eval at commit 75571cf, which leaves unread answers out of recall; its
    yes-ratio is `true_yes_ratio`, while `yes_ratio` counts what the model said.

    Args:
        pairs: True and predicted answer of each question; None is unparsed.
        recall_over: Whether an unparsed answer to a true yes counts against recall.

    Returns:
        The figures.

    Raises:
        ValueError: There is no question.

    Example:
        >>> scores = binary_scores([("yes", "yes"), ("yes", None), ("no", "no"), ("no", "yes")])
        >>> scores.accuracy, scores.precision, scores.recall, scores.f1, scores.unparsed
        (0.5, 0.5, 0.5, 0.5, 1)
    """
    judged = list(pairs)
    if not judged:
        raise ValueError("no answers to score")
    hits = sum(true == "yes" and said == "yes" for true, said in judged)
    false_alarms = sum(true == "no" and said == "yes" for true, said in judged)
    counts_as_miss = ("no",) if recall_over == "parsed" else ("no", None)
    misses = sum(true == "yes" and said in counts_as_miss for true, said in judged)
    precision = _ratio(hits, hits + false_alarms)
    recall = _ratio(hits, hits + misses)
    return BinaryScores(
        accuracy=sum(true == said for true, said in judged) / len(judged),
        precision=precision,
        recall=recall,
        f1=_ratio(2 * (precision * recall), precision + recall),
        yes_ratio=sum(said == "yes" for _, said in judged) / len(judged),
        true_yes_ratio=sum(true == "yes" for true, _ in judged) / len(judged),
        n=len(judged),
        unparsed=sum(said is None for _, said in judged),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
