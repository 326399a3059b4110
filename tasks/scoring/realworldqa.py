"""RealWorldQA: questions with lettered options, and questions with a word or number as answer."""

from __future__ import annotations

from tasks.scoring.lmms_choice import extract_letter
from tasks.scoring.mmbench import MCQVerdict

__all__ = ["judge_realworldqa"]

_LETTERS = "ABCD"


def judge_realworldqa(prediction: str, answer: str) -> MCQVerdict:
    """Judge an answer whose question carries its options, if any, in its text.

    If the right answer is a letter A to D, a letter is read off the prediction; else both must be
    equal, but for case, outer white space and periods at the prediction's end. As
    `realworldqa_process_results` of EvolvingLMMs-Lab/lmms-eval at commit 75571cf. (VLMEvalKit has
    the options in columns: use an extractor of `tasks.scoring.choice`.)

    Args:
        prediction: The model's answer.
        answer: The right answer.

    Returns:
        `ok` or `wrong`; `unparsed` if a letter is wanted and none occurs, or the answer is blank.

    Example:
        >>> [judge_realworldqa(text, "B") for text in ("(B)", "A", "left")]
        ['ok', 'wrong', 'unparsed']
        >>> [judge_realworldqa(text, "Downhill") for text in ("downhill.", "It is downhill")]
        ['ok', 'wrong']
    """
    gold = answer.strip()
    if gold.upper() in tuple(_LETTERS):
        letter = extract_letter(prediction, _LETTERS)
        if letter is None:
            return "unparsed"
        return "ok" if letter == gold.upper() else "wrong"
    said = prediction.lower().strip().rstrip(".")
    if said == gold.lower():
        return "ok"
    return "wrong" if said else "unparsed"
