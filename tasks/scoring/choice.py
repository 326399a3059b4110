"""Multiple choice: every policy that reads an option's letter off an answer, by name.

A policy is a function of the model's answer and the options (letter to text) that gives a letter,
or None where nothing can be read. None of them draws: where an original picks a random option,
the answer is unparsed here.

| name | policy |
|---|---|
| `exact` | VLMEvalKit's exact matching: by letter, else by an option's text; "Z" is a refusal |
| `exact-legacy` | the same as it was before VLMEvalKit #1175 and #1552 |
| `vanilla` | `exact`, with what can't be read counted as a refusal: what VLMEvalKit's rows say |
| `cheers-wrapper` | the official CHEERS wrapper, then `exact-legacy`: its published numbers |
| `cheers-wrapper-mmstar` | the same with the wrapper's rule for MMStar |
| `strict` | ours: the answer is a letter or an option's text, and nothing else |
| `lmms-eval` | lmms-eval's shared extractor (MMStar, RealWorldQA) |
| `lmms-eval-ai2d`, `-scienceqa`, `-seedbench` | lmms-eval's rules for these |
| `mmmu` | MMMU's parser as in lmms-eval, without its random option |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tasks.scoring.cheers_wrapper import wrapper_answer, wrapper_letter
from tasks.scoring.lmms_choice import (
    extract_ai2d,
    extract_lmms_eval,
    extract_scienceqa,
    extract_seedbench,
)
from tasks.scoring.mmbench import REFUSED, MCQVerdict, can_infer
from tasks.scoring.mmmu import extract_mmmu

__all__ = [
    "EXTRACTORS",
    "Extractor",
    "extract_cheers_wrapper",
    "extract_cheers_wrapper_mmstar",
    "extract_exact",
    "extract_exact_legacy",
    "extract_strict",
    "extract_vanilla",
    "judge_choice",
]

Extractor = Callable[[str, Mapping[str, str]], str | None]
"""A policy: the model's answer, and option letter to text; gives a letter or None."""


def extract_exact(prediction: str, choices: Mapping[str, str]) -> str | None:
    """Read an answer as `can_infer` of open-compass/VLMEvalKit at commit e8e78f0 does.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, "Z" for a refusal, or None.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> extract_exact("It is a dog", options), extract_exact("who knows", options)
        ('B', None)
    """
    return can_infer(prediction, choices)


def extract_exact_legacy(prediction: str, choices: Mapping[str, str]) -> str | None:
    """Read an answer as `can_infer` did before VLMEvalKit #1175 (August 2025).

    See `tasks.scoring.mmbench.can_infer` for the differences.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, "Z" for a refusal, or None.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> early = "B is what I see in the middle"
        >>> extract_exact_legacy(early, options), extract_exact(early, options)
        ('B', None)
    """
    return can_infer(prediction, choices, variant="legacy")


def extract_vanilla(prediction: str, choices: Mapping[str, str]) -> str | None:
    """Read an answer as `extract_answer_from_item` of VLMEvalKit does without a judge model.

    Commit e8e78f0. It doesn't tell a refusal from what it can't read: both are "Z".

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter or "Z", never None.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> extract_vanilla("who knows", {"A": "cat", "B": "dog"})
        'Z'
    """
    return can_infer(prediction, choices) or REFUSED


def extract_cheers_wrapper(prediction: str, choices: Mapping[str, str]) -> str | None:
    """Read an answer as the official CHEERS evaluation does: its wrapper, then `exact-legacy`.

    AI9Stars/Cheers at commit da1cb77; see `tasks.scoring.cheers_wrapper`.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, "Z" for a refusal, or None.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> extract_cheers_wrapper("a dog", {"A": "cat", "B": "dog"})
        'A'
        >>> extract_cheers_wrapper("The dog.", {"A": "cat", "B": "dog"})
        'B'
    """
    return extract_exact_legacy(wrapper_answer(prediction), choices)


def extract_cheers_wrapper_mmstar(prediction: str, choices: Mapping[str, str]) -> str | None:
    """`extract_cheers_wrapper` for MMStar, where the wrapper leaves nothing but a letter A to I.

    An answer without one is empty, and then an empty option text would be read: such is the rule.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, or None.

    Raises:
        ValueError: A key of the choices isn't one letter A to Z.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> extract_cheers_wrapper_mmstar("Answer: b", options)
        'B'
        >>> extract_cheers_wrapper_mmstar("The dog.", options) is None
        True
    """
    return extract_exact_legacy(wrapper_letter(prediction), choices)


# These run on text whose case is folded and whose white space is squeezed.
_SAYS_THE_ANSWER = re.compile(r"(?:the )?(?:correct )?answer(?: is:?|:) ?")
_LETTER = re.compile(r"(?:\(([a-z])\)|\[([a-z])\]|([a-z])\)?)[.:]?(?: (.*))?")
_FRAME = 64  # characters that may surround an option's text: "The correct answer is: (B). ..."


def extract_strict(prediction: str, choices: Mapping[str, str]) -> str | None:
    """Read only an answer that is one option and nothing else: the project's own rule.

    The answer is a letter of the options, bare or as (B), [B], B), "B." or "B:"; or such a letter
    with that option's own text behind it; or one option's text. "Answer:" or "The (correct) answer
    is" may come first, and a period last. Case, outer and repeated white space, Markdown's ** and
    the Unicode form (NFC or NFD) don't matter. Where options' texts are letters, the letter wins. A
    text that two options share names neither.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.

    Returns:
        The letter, or None.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> said = ["b", "(B)", "Answer: **B**", "The answer is dog.", "B. dog"]
        >>> {extract_strict(text, options) for text in said}
        {'B'}
        >>> [extract_strict(text, options) for text in ("a dog", "A or B", "B. cat", "C")]
        [None, None, None, None]
    """
    # What is longer can't be a single option; don't look through megabytes.
    if len(prediction.strip()) > 4 * max(map(len, choices.values()), default=0) + _FRAME:
        return None
    texts = {letter: _plain(text) for letter, text in choices.items()}
    said = _plain(prediction)
    lead = _SAYS_THE_ANSWER.match(said)
    if lead and said not in texts.values():
        said = said[lead.end() :]
    return _by_letter(said, texts) or _by_text(said, texts)


def _plain(text: str) -> str:
    composed = unicodedata.normalize("NFC", text.replace("**", "").casefold())
    return " ".join(composed.split()).removesuffix(".").rstrip()


def _by_letter(said: str, texts: Mapping[str, str]) -> str | None:
    match = _LETTER.fullmatch(said)
    if match is None:
        return None
    letter = (match[1] or match[2] or match[3]).upper()
    behind = match[4]
    return letter if letter in texts and behind in (None, texts[letter]) else None


def _by_text(said: str, texts: Mapping[str, str]) -> str | None:
    named = [letter for letter, text in texts.items() if text == said and said]
    return named[0] if len(named) == 1 else None


EXTRACTORS: Mapping[str, Extractor] = MappingProxyType(
    {
        "exact": extract_exact,
        "exact-legacy": extract_exact_legacy,
        "vanilla": extract_vanilla,
        "cheers-wrapper": extract_cheers_wrapper,
        "cheers-wrapper-mmstar": extract_cheers_wrapper_mmstar,
        "strict": extract_strict,
        "lmms-eval": extract_lmms_eval,
        "lmms-eval-ai2d": extract_ai2d,
        "lmms-eval-scienceqa": extract_scienceqa,
        "lmms-eval-seedbench": extract_seedbench,
        "mmmu": extract_mmmu,
    }
)
"""The policies by the names that protocols give them."""


def judge_choice(
    prediction: str, choices: Mapping[str, str], answer: str, extractor: Extractor
) -> MCQVerdict:
    """Judge one answer to a multiple-choice question under a policy.

    Args:
        prediction: The model's answer.
        choices: Option letter to text.
        answer: The right letter.
        extractor: One of `EXTRACTORS`.

    Returns:
        `ok`, `wrong`, or `unparsed` if the policy reads nothing.

    Raises:
        ValueError: The right letter isn't an option's.

    Example:
        >>> options = {"A": "cat", "B": "dog"}
        >>> [
        ...     judge_choice(text, options, "B", EXTRACTORS["strict"])
        ...     for text in ("dog", "A", "a dog")
        ... ]
        ['ok', 'wrong', 'unparsed']
    """
    if answer not in choices:
        raise ValueError(f"answer {answer!r} isn't one of the options {sorted(choices)}")
    said = extractor(prediction, choices)
    if said is None:
        return "unparsed"
    return "ok" if said == answer else "wrong"
