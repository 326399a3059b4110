"""A long answer costs time in proportion to its length, whatever it is made of.

Each text is one that makes a careless pattern backtrack. At 300,000 characters a quadratic rule
takes minutes; at ten million a linear one takes a second or two.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tasks.scoring.cheers_wrapper import wrapper_first_word, wrapper_yes_no
from tasks.scoring.choice import EXTRACTORS
from tasks.scoring.mathvista import MathVistaProblem, judge_mathvista
from tasks.scoring.mmmu import score_open
from tasks.scoring.ocr import anls, character_error_rate, exact_match, ocrbench_correct
from tasks.scoring.ocrbench_v2 import (
    contained_formula,
    contained_or_near,
    count_score,
    grounding_score,
    pairs_f1,
)
from tasks.scoring.realworldqa import judge_realworldqa
from tasks.scoring.vqa import (
    extract_closed,
    match_ignoring_case_and_punctuation,
    relaxed_accuracy,
    vqa_accuracy,
)
from tasks.scoring.yesno import mme_label, strict_yes_no, yes_no

LONG = 300_000
VERY_LONG = 10_000_000
UNITS = {
    "letters": "a",
    "digits": "1",
    "thousands": ",234",
    "exponents": "1.5e",
    "signs": "-",
    "periods": ".",
    "spaces": " ",
    "lines": "is \n",
    "keys": "so is thus ",
    "cues": "answer is ",
    "brackets": "(",
    "boxes": "\\boxed{",
    "marks": "A,b. ",
    "zeros": "\x00",
    "right to left": "\u202e\u05d0",
    "tags": "\\text{",
    "fences": "```json\n",
    "boxes begun": "(1, 2, 3, ",
    "wide": "\u7b54\u6848\u662f",
}
PETS = {"A": "cat", "B": "a dog", "C": "12"}
PROBLEMS = {
    "integer": MathVistaProblem(question_type="free_form", answer_type="integer", answer="1"),
    "list": MathVistaProblem(question_type="free_form", answer_type="list", answer="[1]"),
    "text": MathVistaProblem(question_type="free_form", answer_type="text", answer="x"),
    "choice": MathVistaProblem(
        question_type="multi_choice", answer_type="text", answer="cat", choices=("cat", "dog")
    ),
}
Scorer = Callable[[str], object]


def mathvista(problem: MathVistaProblem) -> Scorer:
    return lambda text: judge_mathvista(text, problem, "official")


def policy(name: str) -> Scorer:
    return lambda text: EXTRACTORS[name](text, PETS)


SCORERS: dict[str, Scorer] = {
    **{name: policy(name) for name in EXTRACTORS},
    **{f"mathvista {name}": mathvista(problem) for name, problem in PROBLEMS.items()},
    "wrapper yes/no": wrapper_yes_no,
    "wrapper word": wrapper_first_word,
    "mmmu open": lambda text: score_open(text, "12.5"),
    "realworldqa": lambda text: judge_realworldqa(text, "B"),
    "anls": lambda text: anls(text, ["some answer"]),
    "anls legacy": lambda text: anls(text, ["some answer"], variant="legacy"),
    "cer": lambda text: character_error_rate(text, "stop"),
    "exact match": lambda text: exact_match(text, ["stop"]),
    "ocrbench": lambda text: ocrbench_correct(text, ["xy"], "Doc-oriented VQA", "lmms_eval"),
    "vqa": lambda text: vqa_accuracy(text, ["cat"] * 10),
    "vqa lmms": lambda text: vqa_accuracy(text, ["cat"] * 10, "lmms_eval"),
    "relaxed": lambda text: relaxed_accuracy(text, ["12"]),
    "gqa": lambda text: match_ignoring_case_and_punctuation(text, "cat"),
    "closed": lambda text: extract_closed(text, ["red", "light blue"]),
    "yes/no": yes_no,
    "strict yes/no": strict_yes_no,
    "mme": mme_label,
    "v2 near": lambda text: contained_or_near(text, ["one two three four five", "x"]),
    "v2 count": lambda text: count_score(text, ["12"], exact=False),
    "v2 formula": lambda text: contained_formula(text, ["x^2"], without_text_tags=True),
    "v2 box": lambda text: grounding_score(text, [0, 0, 10, 10]),
    "v2 pairs": lambda text: pairs_f1(text, {"a": ["12"]}),
}


def of_length(unit: str, length: int) -> str:
    return "A 1" + unit * (length // len(unit)) + " x!"


def seconds(scorer: Scorer, text: str) -> float:
    start = time.perf_counter()
    scorer(text)
    return time.perf_counter() - start


@pytest.mark.parametrize("name", SCORERS)
def test_no_text_makes_a_scorer_slow(name: str) -> None:
    times = {unit: seconds(SCORERS[name], of_length(UNITS[unit], LONG)) for unit in UNITS}
    assert max(times.values()) < 5, times


@pytest.mark.parametrize("name", SCORERS)
def test_ten_million_characters_are_scored(name: str) -> None:
    """Of words and numbers; the bound leaves room for a busy machine."""
    assert seconds(SCORERS[name], of_length("a cat, 12 of 3. ", VERY_LONG)) < 20
