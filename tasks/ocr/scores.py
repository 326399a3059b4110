"""How a text that was read compares with the text that should be there."""

from __future__ import annotations

import unicodedata

__all__ = ["CASES", "normalise", "text_scores"]

CASES = ("ignore", "exact")
"""What to do with capitals: nothing, or compare them too."""


def normalise(text: str, case: str = "ignore") -> str:
    r"""The form in which texts are compared.

    Unicode's NFC; runs of white space, line breaks among them, become one space, outer ones go;
    with `ignore`, letters are folded (`str.casefold`) and NFC is applied again. Punctuation counts.

    Args:
        text: Any text.
        case: One of `CASES`.

    Example:
        >>> normalise(" Two\n LINES "), normalise("Cafe\u0301", "exact") == "Caf\u00e9"
        ('two lines', True)
    """
    plain = unicodedata.normalize("NFC", text)
    if case == "ignore":
        plain = unicodedata.normalize("NFC", plain.casefold())
    return " ".join(plain.split())


def text_scores(read: str, wanted: str, case: str = "ignore") -> dict[str, float]:
    """Compare after `normalise`.

    Args:
        read: What an engine read, all lines; may be empty.
        wanted: What should be there.
        case: One of `CASES`.

    Returns:
        `word_accuracy`: share of the wanted words that were read, in any order, in [0, 1].
        `cer`: character edits per wanted character, 0 and above; 1 if nothing was read.
        `ned`: edit distance over the longer text's length, in [0, 1].
        `exact`: 1 if the texts are equal.
        `contains`: 1 if the wanted text is a part of what was read, other text around it allowed.

    Raises:
        ValueError: Nothing is wanted.

    Example:
        >>> text_scores("Grand OPEN now", "open")
        {'word_accuracy': 1.0, 'cer': 2.5, 'ned': 0.7142857142857143, 'exact': 0.0, 'contains': 1.0}
    """
    from tasks.scoring.ocr import character_error_rate, normalized_edit_distance, word_accuracy

    found, asked = normalise(read, case), normalise(wanted, case)
    return {
        "word_accuracy": word_accuracy(found, asked, ignore_case=False),
        "cer": character_error_rate(found, asked),
        "ned": normalized_edit_distance(found, asked),
        "exact": float(found == asked),
        "contains": float(asked in found),
    }
