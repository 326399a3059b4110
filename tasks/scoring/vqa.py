"""Short answers: closed vocabularies, VQA accuracy, relaxed accuracy."""

from __future__ import annotations

import ast
import re
import statistics
import string
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

__all__ = [
    "ClosedVerdict",
    "RelaxedVariant",
    "VQAVariant",
    "extract_closed",
    "judge_closed",
    "match_ignoring_case",
    "match_ignoring_case_and_punctuation",
    "parse_answer_cell",
    "process_punctuation",
    "relaxed_accuracy",
    "relaxed_match",
    "vqa_accuracy",
    "vqa_matches",
    "vqa_normalize",
    "without_case_and_punctuation",
]

VQAVariant = Literal["vlmevalkit", "lmms_eval"]
RelaxedVariant = Literal["corrected", "legacy"]
ClosedVerdict = Literal["ok", "wrong", "unparsed"]

_GOLDS = 1 << 14  # accepted answers whose normal forms are kept; a data set repeats them

_ARTICLES = frozenset({"a", "an", "the"})
_NUMBER_WORDS = "zero one two three four five six seven eight nine ten"
_NUMBERS = {"none": "0"} | {word: str(value) for value, word in enumerate(_NUMBER_WORDS.split())}
# The VQA evaluation restores one missing apostrophe in these (lower-case) words.
_CONTRACTED = """
    'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't
    hadn't've hasn't haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am
    might've mightn't mightn't've must've mustn't needn't not've o'clock oughtn't shan't she'd've
    should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've
    someone'll someone's something'd something'd've something'll that's there'd there'd've there're
    there's they'd they'd've they'll they're they've wasn't we'd've we've weren't what'll what're
    what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're
    why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're
    you've
"""
_CONTRACTIONS = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTED.split()
    for place, character in enumerate(word)
    if character == "'"
} | {"somebody'd": "somebodyd"}

_PUNCTUATION = ';/[]"{}()=+\\_->' + "<@`,?!"
_DIGIT_COMMA = re.compile(r"\d,\d")
_LONE_PERIOD = re.compile(r"(?<!\d)\.(?!\d)")
_PERIOD_BEFORE_NO_DIGIT = re.compile(r"\.(?!\d)")
_MAX_PERIODS = 32  # the originals pass a flag where `re.sub` takes a count


def parse_answer_cell(cell: str) -> list[object]:
    """Read the accepted answers off a dataset's answer cell.

    A cell that holds a Python list is that list, anything else is one answer, as `process_line` of
    open-compass/VLMEvalKit at commit e8e78f0; only literals are read, nothing is executed.

    Args:
        cell: The cell's text.

    Returns:
        The answers; items of a list may be of any literal type.

    Example:
        >>> parse_answer_cell("['a', 'b']"), parse_answer_cell("3.0")
        (['a', 'b'], ['3.0'])
    """
    try:
        # Python warns of escapes such as \d in a string, but reads them as they stand.
        with warnings.catch_warnings(action="ignore"):
            value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return [cell]
    return value if isinstance(value, list) else [cell]


def process_punctuation(text: str, variant: VQAVariant = "vlmevalkit") -> str:
    """Remove punctuation, or put a space in its place, as the VQA evaluation does.

    A mark is removed if it stands beside a space anywhere in the text, or if the text has a comma
    between digits; else it becomes a space. Then periods are removed: `vlmevalkit`
    (open-compass/VLMEvalKit at commit e8e78f0) spares those beside a digit, `lmms_eval`
    (EvolvingLMMs-Lab/lmms-eval at commit 75571cf) those before a digit; both stop after 32.

    Args:
        text: A text.
        variant: Whose rule.

    Returns:
        The text without punctuation.

    Example:
        >>> process_punctuation("yes, no"), process_punctuation("yes,no"), process_punctuation("a.")
        ('yes no', 'yes no', 'a')
    """
    number_with_comma = "," in text and _DIGIT_COMMA.search(text) is not None
    out = text
    for mark in _PUNCTUATION:
        if mark in text:
            beside_space = mark + " " in text or " " + mark in text
            out = out.replace(mark, "" if beside_space or number_with_comma else " ")
    if "." not in out:
        return out
    period = _LONE_PERIOD if variant == "vlmevalkit" else _PERIOD_BEFORE_NO_DIGIT
    return period.sub("", out, count=_MAX_PERIODS)


def vqa_normalize(text: str, variant: VQAVariant = "vlmevalkit") -> str:
    """Normalise an answer for VQA accuracy: case, punctuation, articles, numbers, contractions.

    `vlmevalkit` is `process_answer` of open-compass/VLMEvalKit at commit e8e78f0, `lmms_eval` is
    `EvalAIAnswerProcessor` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf, which first removes
    commas and question marks and splits off "'s".

    Args:
        text: An answer.
        variant: Whose rule.

    Returns:
        The normalised answer.

    Example:
        >>> vqa_normalize("The two dogs."), vqa_normalize("dont")
        ('2 dogs', "don't")
    """
    if variant == "lmms_eval":
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    flat = text.replace("\n", " ").replace("\t", " ").strip()
    words = process_punctuation(flat, variant).lower().split()
    numbers = (_NUMBERS.get(word, word) for word in words)
    return " ".join(_CONTRACTIONS.get(word, word) for word in numbers if word not in _ARTICLES)


@lru_cache(maxsize=_GOLDS)
def _normal_gold(answer: str, variant: VQAVariant) -> str:
    return vqa_normalize(answer, variant)


def vqa_matches(
    prediction: str, answers: Sequence[str], variant: VQAVariant = "vlmevalkit"
) -> list[float]:
    """For each answer left out, min(1, matches among the others / 3).

    As `process_line` (method `vqa_score`) of open-compass/VLMEvalKit at commit e8e78f0 and
    `textvqa_process_results` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf.

    Args:
        prediction: The model's answer.
        answers: The annotators' answers, ten in the VQA data sets.
        variant: Whose normalisation.

    Returns:
        One value in [0, 1] for each answer.

    Example:
        >>> vqa_matches("cat", ["cat", "cat", "dog", "cat"])
        [0.6666666666666666, 0.6666666666666666, 1.0, 0.6666666666666666]
    """
    wanted = vqa_normalize(prediction, variant)
    hits = [_normal_gold(answer, variant) == wanted for answer in answers]
    total = sum(hits)
    return [min(1.0, (total - hit) / 3) for hit in hits]


def vqa_accuracy(
    prediction: str, answers: Sequence[str], variant: VQAVariant = "vlmevalkit"
) -> float:
    """VQA accuracy of one question (Antol et al., 2015): the mean of `vqa_matches`.

    As `hit_calculate` for TextVQA of open-compass/VLMEvalKit at commit e8e78f0 and
    `textvqa_process_results` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf.

    Args:
        prediction: The model's answer.
        answers: The annotators' answers; with fewer than four even a perfect answer scores below 1.
        variant: Whose normalisation and mean.

    Returns:
        A score in [0, 1].

    Raises:
        ValueError: There is no answer.

    Example:
        >>> vqa_accuracy("A cat", ["cat"] * 10), vqa_accuracy("cat", ["cat"] + ["dog"] * 9)
        (1.0, 0.3)
    """
    matches = vqa_matches(prediction, answers, variant)
    if not matches:
        raise ValueError("VQA accuracy needs at least one answer")
    return _mean(tuple(matches), variant)


@lru_cache(maxsize=1 << 12)
def _mean(matches: tuple[float, ...], variant: VQAVariant) -> float:
    # The two originals round their means differently in the last digit.
    return float(np.mean(matches)) if variant == "vlmevalkit" else statistics.mean(matches)


def relaxed_match(
    prediction: str,
    target: str,
    *,
    variant: RelaxedVariant = "corrected",
    max_relative_change: float = 0.05,
) -> bool:
    """ChartQA's relaxed accuracy: numbers within 5% of the target, else equal texts.

    A trailing % divides by 100, a target of 0 is compared as text, and texts compare without case
    (Masry et al., 2022, "ChartQA"). `corrected` is `relaxed_correctness` of open-compass/VLMEvalKit
    at commit e8e78f0 (there on a stripped prediction) and of EvolvingLMMs-Lab/lmms-eval at commit
    75571cf (not stripped). `legacy` takes the 5% of the prediction, as VLMEvalKit did before #1204
    (September 2025) and as the evaluation that CHEERS bundles does.

    Args:
        prediction: The model's answer.
        target: The accepted answer.
        variant: Which rule.
        max_relative_change: The tolerance.

    Returns:
        Whether it matches.

    Example:
        >>> relaxed_match("104", "100"), relaxed_match("106", "100"), relaxed_match("Yes", "yes")
        (True, False, True)
        >>> relaxed_match("105.2", "100"), relaxed_match("105.2", "100", variant="legacy")
        (False, True)
        >>> relaxed_match("34%", "34")
        False
    """
    said, gold = _to_float(prediction), _gold_value(target)
    base, other = (gold, said) if variant == "corrected" else (said, gold)
    if other is not None and base:
        return abs(other - base) / abs(base) <= max_relative_change
    return prediction.lower() == target.lower()


def relaxed_accuracy(
    prediction: str, answers: Sequence[str], variant: RelaxedVariant = "corrected"
) -> float:
    """Relaxed accuracy of one question: 1 if an accepted answer matches the stripped prediction.

    As `process_line` and `hit_calculate` for ChartQA of open-compass/VLMEvalKit at commit e8e78f0;
    see `relaxed_match` for the variants.

    Args:
        prediction: The model's answer.
        answers: The accepted answers.
        variant: Which rule.

    Returns:
        0 or 1.

    Raises:
        ValueError: There is no answer.

    Example:
        >>> relaxed_accuracy(" 104 ", ["100"]), relaxed_accuracy("red", ["blue", "Red"])
        (1.0, 1.0)
    """
    if not answers:
        raise ValueError("relaxed accuracy needs at least one accepted answer")
    said = prediction.strip()
    return float(any(relaxed_match(said, answer, variant=variant) for answer in answers))


def _to_float(text: str) -> float | None:
    percent = text.endswith("%")
    try:
        value = float(text.rstrip("%")) if percent else float(text)
    except ValueError:
        return None
    return value / 100.0 if percent else value


_gold_value = lru_cache(maxsize=_GOLDS)(_to_float)


def match_ignoring_case(prediction: str, answer: str) -> bool:
    """Whether two texts are equal but for case and outer white space.

    As `process_line` (method `accuracy`) of open-compass/VLMEvalKit at commit e8e78f0.

    Args:
        prediction: The model's answer.
        answer: The accepted answer.

    Returns:
        Whether they match.

    Example:
        >>> match_ignoring_case(" Red", "red")
        True
    """
    return prediction.strip().lower() == answer.strip().lower()


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def without_case_and_punctuation(text: str) -> str:
    """Lower-case a text and remove ASCII punctuation.

    As `exact_match` (ignore_case, ignore_punctuation) of EvolvingLMMs-Lab/lmms-eval at commit
    75571cf; it compares arrays of strings, which drop zero characters at the end.

    Args:
        text: A text.

    Returns:
        What is compared.

    Example:
        >>> without_case_and_punctuation("Red.")
        'red'
    """
    return text.lower().translate(_NO_PUNCTUATION).rstrip("\0")


def match_ignoring_case_and_punctuation(prediction: str, answer: str) -> bool:
    """Whether two texts are equal but for case and ASCII punctuation; spaces count.

    As `exact_match` (ignore_case, ignore_punctuation) of EvolvingLMMs-Lab/lmms-eval at commit
    75571cf, which is given the stripped prediction and the answer as it is.

    Args:
        prediction: The model's answer.
        answer: The accepted answer.

    Returns:
        Whether they match.

    Example:
        >>> match_ignoring_case_and_punctuation("Red.", "red")
        True
    """
    return without_case_and_punctuation(prediction) == without_case_and_punctuation(answer)


def extract_closed(prediction: str, vocabulary: Sequence[str]) -> str | None:
    """Find the one entry of a closed vocabulary that an answer names.

    The project's own rule, for data sets such as easy-VQA whose answers are known beforehand. The
    answer may be the entry itself or a sentence in which it is the only entry named, as whole
    words; case and punctuation don't matter.

    Args:
        prediction: The model's answer.
        vocabulary: All possible answers.

    Returns:
        The entry, or None if the answer names none or several.

    Raises:
        ValueError: Two entries are the same but for case and punctuation, or an entry is empty.

    Example:
        >>> colors = ["red", "blue"]
        >>> extract_closed("It's Red.", colors), extract_closed("red or blue", colors)
        ('red', None)
    """
    keys = {_words(entry): entry for entry in vocabulary}
    if len(keys) != len(vocabulary) or () in keys:
        raise ValueError(f"vocabulary entries must be different words: {list(vocabulary)}")
    words = _words(prediction)
    if words in keys:
        return keys[words]
    named = [entry for key, entry in keys.items() if _contains(words, key)]
    return named[0] if len(named) == 1 else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold()))


def _contains(words: tuple[str, ...], key: tuple[str, ...]) -> bool:
    if len(key) == 1:  # at C speed; an answer may be megabytes long
        return key[0] in words
    starts = range(len(words) - len(key) + 1)
    return any(words[start : start + len(key)] == key for start in starts)


def judge_closed(prediction: str, answer: str, vocabulary: Sequence[str]) -> ClosedVerdict:
    """Judge an answer against a closed vocabulary (the project's own rule: `extract_closed`).

    Args:
        prediction: The model's answer.
        answer: The right entry.
        vocabulary: All possible answers, the right one included.

    Returns:
        `ok`, `wrong`, or `unparsed` if no single entry is named.

    Raises:
        ValueError: The answer isn't in the vocabulary, or the vocabulary is ambiguous.

    Example:
        >>> [judge_closed(text, "yes", ["yes", "no"]) for text in ("Yes!", "no", "maybe")]
        ['ok', 'wrong', 'unparsed']
    """
    if answer not in vocabulary:
        raise ValueError(f"answer {answer!r} isn't in the vocabulary {list(vocabulary)}")
    named = extract_closed(prediction, vocabulary)
    if named is None:
        return "unparsed"
    return "ok" if named == answer else "wrong"
