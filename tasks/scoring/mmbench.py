"""MMBench: which option an answer names, and circular evaluation.

A question is asked once for every rotation of its options; under circular evaluation it counts only
if every rotation is answered rightly. The rules are those of open-compass/VLMEvalKit at commit
e8e78f0 (`vlmeval/utils/matching_util.py`, `vlmeval/dataset/utils/multiple_choice.py`) with its
`exact_matching` policy: no judge model. What that policy can't read is kept apart as `unparsed`
here, though it earns no more than a wrong answer.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

__all__ = [
    "L2_ABBREVIATIONS",
    "REFUSED",
    "CircularReport",
    "MCQRow",
    "MCQVerdict",
    "MatchingVariant",
    "SplitReport",
    "can_infer",
    "can_infer_option",
    "can_infer_text",
    "circular_eval",
    "circular_report",
    "judge_circular",
    "judge_row",
    "pair_accuracy",
    "report_accuracy",
    "vanilla_eval",
]

MCQVerdict = Literal["ok", "wrong", "unparsed"]
MatchingVariant = Literal["corrected", "legacy"]

REFUSED = "Z"
"""What stands for a refusal, or for an answer that names none of the options."""

ROTATION_STRIDE = 1_000_000
"""Rotation k of question i has index i + k * ROTATION_STRIDE."""

L2_ABBREVIATIONS = {
    "coarse_perception": "CP",
    "finegrained_perception (instance-level)": "FP-S",
    "finegrained_perception (cross-instance)": "FP-C",
    "logic_reasoning": "LR",
    "relation_reasoning": "RR",
    "attribute_reasoning": "AR",
}
"""Column names of MMBench's second-level categories."""

# Literal strings that the original looks for, verbatim: they are part of its rule.
_API_FAILURE = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_PUNCTUATION = ".()[],:;!*#{}"
_TO_SPACES = str.maketrans(dict.fromkeys(_PUNCTUATION, " "))
_ANSWER_IS = re.compile(r"answer\s+is\s+\**([ABCD])", re.IGNORECASE)
_TRAILING_WORDS = 4  # a letter counts only as one of the last words
_QUANTIFIER_WORDS = 3  # in a longer answer, "A" may be an article


def can_infer_option(
    answer: str,
    choices: Mapping[str, object],
    *,
    verbose: bool = False,
    variant: MatchingVariant = "corrected",
) -> str | None:
    """Read an option's letter off an answer.

    The letter must stand alone (punctuation aside), be the only option letter in the answer and
    first occur among its last four words; failing that, a letter A to D straight after
    "answer is" counts. As `can_infer_option` of VLMEvalKit at commit e8e78f0. `legacy` is the rule
    before VLMEvalKit #1175 and #1552, which the official CHEERS evaluation bundles: the letter may
    stand anywhere, and "answer is" means nothing.

    Args:
        answer: The model's answer.
        choices: Option letter to text.
        verbose: The original behaves differently if its environment variable VERBOSE is set: an
            answer of more than three words that has the word "A" is then not read.
        variant: Which rule.

    Returns:
        The letter, `REFUSED` for a refusal, or None if nothing can be read.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> can_infer_option("The answer is (B).", options)
        'B'
        >>> can_infer_option("A or B", options) is None
        True
    """
    _check_letters(tuple(choices))
    return _option(answer, choices, verbose, variant)


def _option(
    answer: str, choices: Mapping[str, object], verbose: bool, variant: MatchingVariant
) -> str | None:
    if _API_FAILURE in answer:
        return None
    for refusal in _REFUSALS:
        if refusal in answer:
            return REFUSED
    words = _words(answer)
    named = [letter for letter in choices if letter in words]
    if len(named) == 1:
        if verbose and "A" in words and len(words) > _QUANTIFIER_WORDS:
            return None
        if variant == "legacy" or words.index(named[0]) >= len(words) - _TRAILING_WORDS:
            return named[0]
    elif not named and REFUSED in words:
        return REFUSED
    return None if variant == "legacy" else _letter_after_answer_is(answer, choices)


def _words(answer: str) -> list[str]:
    if answer.isascii():
        return answer.translate(_TO_SPACES).split()
    for mark in _PUNCTUATION:
        if mark in answer:
            answer = answer.replace(mark, " ")
    return answer.split()


def _letter_after_answer_is(answer: str, choices: Mapping[str, object]) -> str | None:
    match = _ANSWER_IS.search(answer)
    if match is None:
        return None
    letter = match.group(1).upper()
    return letter if letter in choices else None


def can_infer_text(
    answer: str, choices: Mapping[str, object], *, variant: MatchingVariant = "corrected"
) -> str | None:
    """Find the one option whose text is contained in an answer, ignoring case.

    An answer more than twice as long as all options together is not read. As `can_infer_text` of
    VLMEvalKit at commit e8e78f0. `legacy`, before VLMEvalKit #1175, reads an answer of any length.

    Args:
        answer: The model's answer.
        choices: Option letter to text.
        variant: Which rule.

    Returns:
        The letter, or None if no option or several are contained.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> can_infer_text("It is a Dog", {"A": "cat", "B": "dog"})
        'B'
        >>> can_infer_text("cat and dog", {"A": "cat", "B": "dog"}) is None
        True
    """
    _check_letters(tuple(choices))
    return _text(answer, choices, variant)


def _text(answer: str, choices: Mapping[str, object], variant: MatchingVariant) -> str | None:
    lowered = answer.lower()
    texts = [str(text) for text in choices.values()]
    if variant == "corrected" and len(lowered) > 2 * sum(map(len, texts)):
        return None
    contained = [
        letter for letter, text in zip(choices, texts, strict=True) if text.lower() in lowered
    ]
    return contained[0] if len(contained) == 1 else None


def can_infer(
    answer: str,
    choices: Mapping[str, object],
    *,
    verbose: bool = False,
    variant: MatchingVariant = "corrected",
) -> str | None:
    """Read the chosen option off an answer: by letter, else by text.

    As `can_infer` of VLMEvalKit at commit e8e78f0, or before its corrections.

    Args:
        answer: The model's answer.
        choices: Option letter to text.
        verbose: See `can_infer_option`.
        variant: See `can_infer_option` and `can_infer_text`.

    Returns:
        The letter, `REFUSED` for a refusal, or None if nothing can be read.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> can_infer("a dog, I think", {"A": "cat", "B": "dog", "C": "some other animal"})
        'B'
    """
    _check_letters(tuple(choices))
    letter = _option(answer, choices, verbose, variant)
    return letter or _text(answer, choices, variant)


@lru_cache(maxsize=256)
def _check_letters(letters: tuple[str, ...]) -> None:
    for letter in letters:
        if len(letter) != 1 or letter not in string.ascii_uppercase:
            raise ValueError(f"option {letter!r} isn't a letter A to Z")


class MCQRow(msgspec.Struct, frozen=True, kw_only=True):
    """One asking of a multiple-choice question."""

    index: int
    """Row index; for a rotation, the question's index plus k * 1,000,000."""
    choices: dict[str, str]
    """Option letter to text, absent options left out."""
    answer: str
    """The right letter."""
    prediction: str
    """The model's answer."""
    split: str = "none"
    """Split, reported apart."""
    category: str | None = None
    """Leaf category."""
    l2_category: str | None = None
    """Second-level category."""

    @property
    def group(self) -> int:
        """Index of the question that this row is a rotation of."""
        return self.index % ROTATION_STRIDE


def judge_row(row: MCQRow) -> MCQVerdict:
    """Judge one asking on its own.

    As `eval_vanilla` of VLMEvalKit at commit e8e78f0 without a judge model; a refusal is a wrong
    answer, and what can't be read is `unparsed`.

    Args:
        row: Question, options and answer.

    Returns:
        The verdict.

    Raises:
        ValueError: The options' keys are malformed.

    Example:
        >>> judge_row(MCQRow(index=1, choices={"A": "x", "B": "y"}, answer="B", prediction="(B)"))
        'ok'
    """
    inferred = can_infer(row.prediction, row.choices)
    if inferred is None:
        return "unparsed"
    return "ok" if inferred == row.answer else "wrong"


def judge_circular(rotations: Iterable[MCQVerdict]) -> MCQVerdict:
    """Judge a question by all its rotations: one wrong makes it wrong, then one unparsed unparsed.

    As `prefetch_circular_group` of VLMEvalKit at commit e8e78f0, where `unparsed` and `wrong` are
    both a hit of 0.

    Args:
        rotations: The verdict of each rotation.

    Returns:
        The question's verdict; its hit is 1 for `ok`, else 0.

    Raises:
        ValueError: There is no rotation.

    Example:
        >>> judge_circular(["ok", "unparsed"]), judge_circular(["ok", "wrong", "unparsed"])
        ('unparsed', 'wrong')
    """
    verdicts = set(rotations)
    if not verdicts:
        raise ValueError("a question without rotations can't be judged")
    if "wrong" in verdicts:
        return "wrong"
    return "unparsed" if "unparsed" in verdicts else "ok"


def circular_eval(rows: Iterable[MCQRow]) -> list[tuple[MCQRow, MCQVerdict]]:
    """Judge each question by all its rotations.

    A rotation that is absent isn't asked for, and a group without its unrotated row isn't counted,
    as in `mcq_circular_eval` of VLMEvalKit at commit e8e78f0: check completeness before scoring.

    Args:
        rows: Rows of any number of questions, in any order.

    Returns:
        Each question's unrotated row with the question's verdict, by index.

    Raises:
        ValueError: Two rows have one index, or an index is negative.

    Example:
        >>> ask = dict(choices={"A": "x", "B": "y"}, answer="B")
        >>> first = MCQRow(index=7, prediction="B", **ask)
        >>> second = MCQRow(index=1_000_007, prediction="who knows", **ask)
        >>> [(row.index, verdict) for row, verdict in circular_eval([second, first])]
        [(7, 'unparsed')]
    """
    groups: dict[int, dict[int, MCQRow]] = {}
    for row in rows:
        group = groups.setdefault(row.group, {})
        if row.index in group or row.index < 0:
            what = "negative" if row.index < 0 else "used twice"
            raise ValueError(f"row index {row.index} is {what}")
        group[row.index] = row
    return [
        (group[base], judge_circular(judge_row(row) for row in group.values()))
        for base, group in sorted(groups.items())
        if base in group
    ]


def vanilla_eval(rows: Iterable[MCQRow]) -> list[tuple[MCQRow, MCQVerdict]]:
    """Judge each row on its own, as `mcq_vanilla_eval` of VLMEvalKit at commit e8e78f0.

    Args:
        rows: Rows, rotations included.

    Returns:
        Each row with its verdict, in the order given.

    Raises:
        ValueError: The options' keys are malformed.

    Example:
        >>> row = MCQRow(index=7, choices={"A": "x", "B": "y"}, answer="B", prediction="A")
        >>> [verdict for _, verdict in vanilla_eval([row])]
        ['wrong']
    """
    return [(row, judge_row(row)) for row in rows]


SplitReport = dict[str, dict[str, float | None]]
"""Split to column (Overall, second-level categories, categories) to accuracy; None is empty."""


def report_accuracy(judged: Sequence[tuple[MCQRow, MCQVerdict]]) -> SplitReport:
    """Average verdicts by split and category, as `report_acc` of VLMEvalKit at commit e8e78f0.

    Args:
        judged: Rows with their verdicts.

    Returns:
        For each split the accuracy in [0, 1], overall and for every category that any split has;
        None where a split has no row of it. Second-level categories go by their abbreviations.

    Example:
        >>> row = MCQRow(index=7, choices={"A": "x"}, answer="A", prediction="A", category="ocr")
        >>> report_accuracy([(row, "ok"), (row, "unparsed")])
        {'none': {'Overall': 0.5, 'ocr': 0.5}}
    """
    splits = sorted({row.split for row, _ in judged})
    report: SplitReport = {split: {"Overall": None} for split in splits}
    columns = _columns(row for row, _ in judged)
    for split in splits:
        verdicts = [(row, verdict) for row, verdict in judged if row.split == split]
        report[split]["Overall"] = _accuracy(verdict for _, verdict in verdicts)
        for field, value, name in columns:
            report[split][name] = _accuracy(
                verdict for row, verdict in verdicts if getattr(row, field) == value
            )
    return report


def _columns(rows: Iterable[MCQRow]) -> list[tuple[str, str, str]]:
    seen = list(rows)
    upper = sorted({row.l2_category for row in seen if row.l2_category is not None})
    lower = sorted({row.category for row in seen if row.category is not None})
    named = [("l2_category", value, L2_ABBREVIATIONS.get(value, value)) for value in upper]
    return named + [("category", value, L2_ABBREVIATIONS.get(value, value)) for value in lower]


def _accuracy(verdicts: Iterable[MCQVerdict]) -> float | None:
    hits = [verdict == "ok" for verdict in verdicts]
    return sum(hits) / len(hits) if hits else None


def pair_accuracy(verdicts: Sequence[MCQVerdict]) -> float:
    """Share of pairs of consecutive questions that are both right: MMVP's score.

    As `report_acc_MMVP` of VLMEvalKit at commit e8e78f0.

    Args:
        verdicts: A verdict for each question, in the order of the questions' index.

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: There is no question, or their number is odd.

    Example:
        >>> pair_accuracy(["ok", "ok", "ok", "wrong"])
        0.5
    """
    if not verdicts or len(verdicts) % 2:
        raise ValueError(f"{len(verdicts)} questions can't be paired")
    pairs = zip(verdicts[::2], verdicts[1::2], strict=True)
    hits = [first == second == "ok" for first, second in pairs]
    return sum(hits) / len(hits)


class CircularReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that MMBench's evaluation says of one set of answers."""

    verdicts: dict[int, MCQVerdict]
    """Question index to its verdict under circular evaluation."""
    circular: SplitReport
    """Accuracy over questions, all rotations right: MMBench's score."""
    vanilla_first: SplitReport
    """Accuracy over rows with index <= 1,000,000: each question's unrotated row."""
    vanilla_all: SplitReport
    """Accuracy over all rows, each on its own."""

    @property
    def hits(self) -> dict[int, int]:
        """Question index to 1 if all its rotations are right, else 0."""
        return {index: int(verdict == "ok") for index, verdict in self.verdicts.items()}


def circular_report(rows: Iterable[MCQRow]) -> CircularReport:
    """Score MMBench: circular accuracy, and the plain accuracies beside it.

    As `ImageMCQDataset.evaluate` of VLMEvalKit at commit e8e78f0 with the model `exact_matching`
    and PRINT_VANILLA=1, without its passage through spreadsheets (see
    `tasks.scoring.spreadsheet`).

    Args:
        rows: All rows that were answered, in any order.

    Returns:
        Verdicts and accuracies.

    Raises:
        ValueError: Indices are malformed, or the options' keys are.

    Example:
        >>> ask = dict(choices={"A": "x", "B": "y"}, answer="B")
        >>> report = circular_report(
        ...     [
        ...         MCQRow(index=7, prediction="B", **ask),
        ...         MCQRow(index=1_000_007, prediction="A", **ask),
        ...     ]
        ... )
        >>> report.hits, report.vanilla_all["none"]["Overall"]
        ({7: 0}, 0.5)
    """
    answered = list(rows)
    judged = circular_eval(answered)
    vanilla = vanilla_eval(answered)
    return CircularReport(
        verdicts={row.index: verdict for row, verdict in judged},
        circular=report_accuracy(judged),
        vanilla_first=report_accuracy(
            [entry for entry in vanilla if entry[0].index <= ROTATION_STRIDE]
        ),
        vanilla_all=report_accuracy(vanilla),
    )
