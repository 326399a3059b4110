"""OCRBench v2: the rules that need nothing but text and boxes.

The rules are those of Yuliang-Liu/MultimodalOCR at commit 794c36d (OCRBench_v2/eval_scripts), for
answers given as lists. All of OCRBench v2 is scored by rule, none by a judging model; `RULES` says
which of its thirty task types are scored here. The others need tree edit distances (tables, charts,
documents), BLEU and METEOR with their tokenisers and word lists (pages, translations), or the
text-spotting script of the Robust Reading Competition.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence

from tasks.scoring.edit_distance import edit_distance

__all__ = [
    "RULES",
    "box_iou",
    "contained_formula",
    "contained_or_near",
    "contained_or_near_chinese",
    "count_score",
    "grounding_score",
    "letters_equal",
    "pairs_f1",
    "position_score",
    "read_box",
    "read_pairs",
    "short_answer_score",
]

RULES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "APP agent en", "ASCII art classification en", "math QA en", "reasoning VQA en",
            "science QA en", "text recognition en", "document classification en",
            "cognition VQA en", "diagram QA en",
        ),
        "contained_or_near",
    ),
    "cognition VQA cn": "contained_or_near_chinese",
    "reasoning VQA cn": "contained_or_near_chinese",
    "text counting en": "count_score",
    "formula recognition en": "contained_formula",
    "formula recognition cn": "contained_formula",
    "handwritten answer extraction cn": "short_answer_score",
    "key information extraction en": "pairs_f1",
    "key information extraction cn": "pairs_f1",
    "key information mapping en": "pairs_f1",
    "VQA with position en": "position_score",
    "text grounding en": "grounding_score",
}  # fmt: skip
"""Task type to the function that scores it; `letters_equal` where its `eval` is multiple choice.
Handwritten answers to open questions (those with "简答" in the question) have none."""

_SHORT = 5  # English answers of fewer words must be contained
_SHORT_CHINESE = 4  # Chinese answers of fewer parts between commas must be contained
_NEAR = 0.5


def contained_or_near(
    prediction: str, answers: Sequence[str], *, ignore_case: bool = True
) -> float:
    """Whether a short answer is contained, or how near a long one is.

    An answer of fewer than five words must be contained; a longer one scores its similarity by edit
    distance, from 0.5 on. As `vqa_evaluation` and `vqa_evaluation_case_sensitive`.

    Args:
        prediction: The model's answer.
        answers: Accepted answers.
        ignore_case: Whether case doesn't matter.

    Returns:
        The best score in [0, 1]; 0 without answers.

    Example:
        >>> contained_or_near("It says STOP", ["stop"]), contained_or_near("go", ["stop"])
        (1.0, 0.0)
        >>> contained_or_near("one two three four", ["one two three four five"])
        0.782608695652174
    """

    def normal(text: str) -> str:
        return (text.lower() if ignore_case else text).strip().replace("\n", " ")

    return _best(normal(prediction), map(normal, answers), lambda a: len(a.split()) < _SHORT)


def contained_or_near_chinese(prediction: str, answers: Sequence[str]) -> float:
    """The same without spaces; an answer is short if it has fewer than four parts between commas.

    As `cn_vqa_evaluation`.

    Args:
        prediction: The model's answer.
        answers: Accepted answers.

    Returns:
        The best score in [0, 1].

    Example:
        >>> contained_or_near_chinese("答案 是 红色", ["红 色"])
        1.0
    """

    def normal(text: str) -> str:
        return text.lower().strip().replace("\n", " ").replace(" ", "")

    return _best(
        normal(prediction), map(normal, answers), lambda a: a.count(",") < _SHORT_CHINESE - 1
    )


def _best(said: str, golds: map[str], is_short: Callable[[str], bool]) -> float:
    scores = (float(gold in said) if is_short(gold) else _similarity(said, gold) for gold in golds)
    return max(scores, default=0.0)


def _similarity(first: str, second: str) -> float:
    longest = max(len(first), len(second))
    # A distance beyond half the length scores 0, so it needn't be known.
    edits = edit_distance(first, second, at_most=longest // 2 + 1)
    similarity = 1 - (edits / longest if longest else 0.0)
    return similarity if similarity >= _NEAR else 0.0


def letters_equal(prediction: str, answer: str) -> float:
    """Multiple choice: all letters of the prediction together are the answer.

    Args:
        prediction: The model's answer.
        answer: The right letter.

    Returns:
        0 or 1.

    Example:
        >>> letters_equal("(B).", "B"), letters_equal("B: dog", "B")
        (1.0, 0.0)
    """
    return float("".join(filter(str.isalpha, prediction)) == answer)


_NUMBER = re.compile(r"\d+")
_DIGITS = 18  # more digits are beyond any count, and costly to read


def count_score(prediction: str, answers: Sequence[str], *, exact: bool) -> float:
    """Text counting: a contained number, or how near the first number is.

    As `counting_evaluation`: `exact` is its "exact match", which keeps the prediction's case; else,
    its "regression", one minus the relative error, above 0.5. A count of 0 never scores there.

    Args:
        prediction: The model's answer.
        answers: Right counts.
        exact: Which of the two.

    Returns:
        The best score in [0, 1].

    Example:
        >>> count_score("About 9 words", ["10"], exact=False)
        0.9
        >>> count_score("About 9 words", ["10"], exact=True)
        0.0
    """
    if exact:
        return float(any(answer.lower().strip() in prediction for answer in answers))
    found = _NUMBER.search(prediction)
    if found is None or len(found.group()) > _DIGITS:
        return 0.0
    said = int(found.group())
    return max((_nearness(said, int(answer)) for answer in answers), default=0.0)


def _nearness(said: int, count: int) -> float:
    if said <= 0 or said >= 2 * count:
        return 0.0
    near = 1 - abs(said - count) / count
    return near if near > _NEAR else 0.0


_TEXT_TAG = re.compile(r"\\text\{([^{}]*)\}")


def contained_formula(
    prediction: str, answers: Sequence[str], *, without_text_tags: bool = False
) -> float:
    r"""Whether a formula is contained, spaces aside; case counts.

    As `math_expression_evaluation`, and, without the tags \text{}, `cn_math_expression_evaluation`.

    Args:
        prediction: The model's answer.
        answers: Accepted formulas.
        without_text_tags: Whether \text{x} is read as x.

    Returns:
        0 or 1.

    Example:
        >>> contained_formula("so x ^ 2", ["x^2"]), contained_formula("X^2", ["x^2"])
        (1.0, 0.0)
    """

    def normal(text: str) -> str:
        plain = _TEXT_TAG.sub(r"\1", text) if without_text_tags else text
        return plain.strip().replace("\n", " ").replace(" ", "")

    said = normal(prediction)
    return float(any(normal(answer) in said for answer in answers))


_JOINTS = ("", ".", ". ", ",", ", ", "、", ";", "; ", " ", "和")


def short_answer_score(prediction: str, answer: str) -> float:
    """Handwritten answers: the answer is contained, its characters listed in any usual way.

    Args:
        prediction: The model's answer.
        answer: The right answer, such as the letters of a multiple choice.

    Returns:
        0 or 1.

    Example:
        >>> short_answer_score("选 A, C", "AC"), short_answer_score("A", "AC")
        (1.0, 0.0)
    """
    return float(any(joint.join(answer) in prediction for joint in _JOINTS))


def box_iou(first: Sequence[object], second: Sequence[object]) -> float:
    """Intersection over union of two boxes, cut to whole numbers.

    As `calculate_iou`; unlike GenEval's, pixels aren't added, and a box that isn't one scores 0.

    Args:
        first: x0, y0, x1, y1.
        second: The same.

    Returns:
        A value in [0, 1] for boxes whose corners are in order.

    Example:
        >>> box_iou([0, 0, 10, 10], [0, 0, 10, 5])
        0.5
        >>> box_iou([0, 0, 10, 10], ["a", 0, 0, 0])
        0.0
    """
    try:
        a, b = [_cut(side) for side in first], [_cut(side) for side in second]
        width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
        height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0
    union = sum(areas) - width * height
    return width * height / union if union else 0.0


def _cut(side: object) -> int:
    if isinstance(side, int | float | str):
        return int(side)
    raise TypeError(f"{side!r} is no coordinate")


_BOX = re.compile(r"[(\[]\s*+(\d++)\s*+,\s*+(\d++)\s*+,\s*+(\d++)\s*+,\s*+(\d++)\s*+[)\]]")
_LARGEST = 1000  # boxes are given on a scale of 0 to 1000


def read_box(text: str) -> list[int] | None:
    """The last box in a text, as (x0, y0, x1, y1) or in square brackets, on a scale of 0 to 1000.

    As `extract_coordinates`.

    Args:
        text: The model's answer.

    Returns:
        The box, or None.

    Example:
        >>> read_box("first (1, 2, 3, 4), then [10,20,30,40]"), read_box("(1, 2, 3, 4000)")
        ([10, 20, 30, 40], None)
    """
    for match in reversed(_BOX.findall(text)):
        if all(len(side.lstrip("0")) <= _DIGITS for side in match):
            box = [int(side[-_DIGITS:]) for side in match]
            if max(box) <= _LARGEST:
                return box
    return None


def grounding_score(prediction: str, answer: Sequence[object]) -> float:
    """Text grounding: the IoU of the last box said.

    Args:
        prediction: The model's answer.
        answer: The right box.

    Returns:
        A value in [0, 1]; 0 if no box can be read.

    Example:
        >>> grounding_score("It is at [0, 0, 10, 5]", [0, 0, 10, 10])
        0.5
    """
    box = read_box(prediction)
    return box_iou(box, answer) if box else 0.0


_FENCE = re.compile(r"```(?:python|json)?\n(.*?)\n```", re.DOTALL | re.IGNORECASE)
_KEY = re.compile(r"[\"']?([\w\s]++)")
_VALUE = re.compile(r"[\"']?\s*[:=]\s*[\"']?([^\n,\"'{}]+)[\"']?")
_LONGEST = 100_000  # characters; parsing a longer Python literal takes too much memory


def read_pairs(text: str) -> dict[str, str]:
    """Keys and values in a text: JSON, a Python dictionary, or else each "key: value" in it.

    The first fenced block counts alone, if there is one. As `convert_str_to_dict`; only literals
    are read, nothing is executed.

    Args:
        text: The model's answer.

    Returns:
        Keys to values, both stripped; empty if there are none.

    Example:
        >>> read_pairs('{"total": 12}'), read_pairs("Total: 12, Date: today")
        ({'total': '12'}, {'Total': '12', 'Date': 'today'})
    """
    fenced = _FENCE.search(text)
    content = fenced.group(1) if fenced else text.strip()
    for read in (json.loads, ast.literal_eval):
        known, data = _literal(read, content)
        if known:
            return _as_texts(data)
    return {key.strip(): value.strip() for key, value in _loose_pairs(content)}


def _literal(read: Callable[[str], object], content: str) -> tuple[bool, object]:
    if len(content) > _LONGEST and read is ast.literal_eval:
        return False, None
    try:
        return True, read(content)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False, None


def _as_texts(data: object) -> dict[str, str]:
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        return {}
    return {key.strip(): str(value).strip() for key, value in data.items()}


def _loose_pairs(content: str) -> list[tuple[str, str]]:
    """A run of words that no colon or equals sign follows is passed over as a whole."""
    pairs, place = [], 0
    while (key := _KEY.search(content, place)) is not None:
        value = _VALUE.match(content, key.end())
        if value is not None:
            pairs.append((key.group(1), value.group(1)))
        place = value.end() if value is not None else key.end()
    return pairs


def pairs_f1(prediction: str, answer: Mapping[str, Sequence[str]]) -> float:
    """Key information: the share of keys, said or wanted, whose value is an accepted one.

    As `compute_f1_score` over all combinations of accepted values, of which the best counts; case
    and spaces don't matter in values, but do in keys.

    Args:
        prediction: The model's answer.
        answer: Key to accepted values.

    Returns:
        A value in [0, 1].

    Example:
        >>> pairs_f1('{"total": "12 $"}', {"total": ["12$"], "date": ["today"]})
        0.5
    """
    said = read_pairs(prediction)
    keys = said.keys() | answer.keys()
    if not keys or not all(answer.values()):  # a key without values leaves no combination
        return 0.0
    hits = [
        key in said
        and key in answer
        and _value(said[key]) in {_value(text) for text in answer[key]}
        for key in keys
    ]
    return sum(hits) / len(keys)


def _value(text: str) -> str:
    return text.lower().strip().replace("\n", " ").replace(" ", "")


def position_score(prediction: str, answers: Sequence[str], box: Sequence[object]) -> float:
    """VQA with position: half for the answer, half for the box's IoU.

    As `vqa_with_position_evaluation` on the pairs `answer` and `bbox` that the prediction gives.

    Args:
        prediction: The model's answer.
        answers: Accepted answers.
        box: The right box.

    Returns:
        A value in [0, 1].

    Example:
        >>> said = '{"answer": "stop", "bbox": "[0, 0, 10, 5]"}'
        >>> position_score(said, ["stop"], [0, 0, 10, 10])
        0.75
    """
    said = read_pairs(prediction)
    content = contained_or_near(said["answer"], answers) if "answer" in said else 0.0
    _, found = _literal(ast.literal_eval, said.get("bbox", ""))
    overlap = box_iou(found, box) if isinstance(found, list | tuple) else 0.0
    return 0.5 * content + 0.5 * overlap
