"""Scoring 100,000 answers, against scoring row by row as the original scorers do.

The reference of each metric is written here in the originals' way of working: tables and patterns
are built anew for each answer, every accepted answer is normalised anew, edit distances are counted
to their end in Python. Both sides must agree on all rows to the last bit; the ratio is taken on the
first 10,000. The accepted answers are
2,500 different ones, as in ChartQA's test set, each asked about forty times: so many models, or
seeds, are scored in one go.
"""

from __future__ import annotations

import os
import re
import string
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.ratios import compare
from tasks.scoring import vqa
from tasks.scoring.choice import extract_exact
from tasks.scoring.mmmu import extract_mmmu
from tasks.scoring.ocr import anls, ocrbench_correct
from tasks.scoring.yesno import yes_no

pytestmark = pytest.mark.bench

ROWS, TIMED, GOLDS, ROUNDS = 100_000, 10_000, 2_500, 7
TEXT = """
    the a red blue dog's stop don't street 1,000 12.5 42% Paris sign p.m. (left) two cars open
    total revenue in 2019 was about none what is shown here? yes no café N/A
"""
WORDS = TEXT.split()
Row = tuple[Any, ...]


def golds(random: Random) -> list[str]:
    return [" ".join(random.choices(WORDS, k=random.randint(1, 4))) for _ in range(GOLDS)]


def answer_near(gold: str, random: Random) -> str:
    """The gold itself, itself with a slip or in a sentence, or something else."""
    kind = random.random()
    if kind < 0.4:
        return gold.upper() if kind < 0.1 else gold
    if kind < 0.6:
        return gold[: len(gold) // 2] + "x" + gold[len(gold) // 2 :]
    if kind < 0.8:
        return f"It is {gold}."
    return " ".join(random.choices(WORDS, k=random.randint(1, 8)))


def text_rows(random: Random, accepted: int) -> list[Row]:
    pool = golds(random)
    answers = [[gold] * (accepted - 1) + [random.choice(pool)] for gold in pool]
    picks = random.choices(range(GOLDS), k=ROWS)
    return [
        (answer_near(pool[i], random), answers[i] if accepted > 1 else [pool[i]]) for i in picks
    ]


def ocr_rows(random: Random) -> list[Row]:
    """With one to four accepted answers."""
    rows = text_rows(random, 4)
    return [(said, gold[: random.randint(1, 4)], "Doc-oriented VQA") for said, gold in rows]


def choice_rows(random: Random) -> list[Row]:
    pool = golds(random)
    questions = [dict(zip("ABCD", random.choices(pool, k=4), strict=True)) for _ in range(GOLDS)]
    forms = ["{}", "{}.", "({})", "The answer is {}.", "{} is what I see there"]
    rows: list[Row] = []
    for choices in random.choices(questions, k=ROWS):
        letter = random.choice("ABCD")
        said = letter if random.random() < 0.8 else choices[letter]
        rows.append((random.choice(forms).format(said), choices))
    return rows


def yes_no_rows(random: Random) -> list[Row]:
    forms = ["Yes", "no", "Yes, there is a dog.", "No, there is no dog", "Maybe.", "yes/no", "NO!"]
    return [(random.choice(forms),) for _ in range(ROWS)]


# The originals' way of working


def match_by_row(answer: str, choices: dict[str, str]) -> str | None:
    choices = {letter: choices[letter] for letter in string.ascii_uppercase if letter in choices}
    return letter_by_row(answer, choices) or option_text_by_row(answer, choices)


def letter_by_row(answer: str, choices: dict[str, str]) -> str | None:
    verbose = os.environ.get("VERBOSE", "")
    if "Failed to obtain answer via API" in answer:
        return None
    refusals = (
        "Sorry, I can't help with images of people yet.",
        "I can't process this file.",
        "I'm sorry, but without the image provided",
        "Cannot determine the answer",
    )
    for refusal in refusals:
        if refusal in answer:
            return "Z"
    changed = answer
    for mark in ".()[],:;!*#{}":
        changed = changed.replace(mark, " ")
    words = [word.strip() for word in changed.split()]
    count = sum(letter in words for letter in choices)
    if count == 1:
        for letter in choices:
            if "A" in words and len(words) > 3 and verbose:
                return None
            if letter in words and words.index(letter) > len(words) - 5:
                return letter
    elif count == 0 and "Z" in words:
        return "Z"
    stated = re.search(r"(?i)answer\s+is\s+\**([ABCD])", answer)
    return stated.group(1).upper() if stated and stated.group(1).upper() in choices else None


def option_text_by_row(answer: str, choices: dict[str, str]) -> str | None:
    lowered = answer.lower()
    if len(lowered) > 2 * sum(len(str(text)) for text in choices.values()):
        return None
    for letter, text in choices.items():
        choices[letter] = str(text).lower()
    named = [letter for letter in choices if choices[letter] in lowered]
    return named[0] if len(named) == 1 else None


def contain_by_row(answer: str, accepted: list[str], category: str) -> bool:
    right = False
    answer = str(answer)
    if category == "Handwritten Mathematical Expression Recognition":
        for gold in accepted:
            normal = gold.strip().replace("\n", " ").replace(" ", "")
            said = answer.strip().replace("\n", " ").replace(" ", "")
            if normal in said:
                right = True
    else:
        for gold in accepted:
            normal = gold.lower().strip().replace("\n", " ")
            said = answer.lower().strip().replace("\n", " ")
            if normal in said:
                right = True
    return right


def punctuation_by_row(text: str) -> str:
    out = text
    marks = list(';/[]"{}()=+\\_-><@`,?!')
    between_digits = re.compile(r"(\d)(,)(\d)")
    lone_period = re.compile(r"(?<!\d)\.(?!\d)")
    for mark in marks:
        beside = mark + " " in text or " " + mark in text
        if beside or re.search(between_digits, text) is not None:
            out = out.replace(mark, "")
        else:
            out = out.replace(mark, " ")
    return lone_period.sub("", out, count=32)


def normal_by_row(text: str) -> str:
    text = text.replace("\n", " ").replace("\t", " ").strip()
    numbers = dict(vqa._NUMBERS)  # noqa: SLF001
    contractions = dict(vqa._CONTRACTIONS)  # noqa: SLF001
    kept = []
    for word in punctuation_by_row(text).lower().split():
        number = numbers.setdefault(word, word)
        if number not in ["a", "an", "the"]:
            kept.append(number)
    for place, word in enumerate(kept):
        if word in contractions:
            kept[place] = contractions[word]
    return " ".join(kept)


def vqa_by_row(answer: str, accepted: list[str]) -> float:
    normal = [normal_by_row(gold) for gold in accepted]
    said = normal_by_row(answer)
    matches = []
    for place in range(len(normal)):
        others = [gold for number, gold in enumerate(normal) if number != place]
        matches.append(min(1.0, float(len([gold for gold in others if gold == said])) / 3))
    return float(np.mean(matches))


def relaxed_by_row(answer: str, accepted: list[str]) -> float:
    def number(text: str) -> float | None:
        try:
            if text.endswith("%"):
                return float(text.rstrip("%")) / 100.0
            return float(text)
        except ValueError:
            return None

    matches = []
    for gold in accepted:
        said, target = number(str(answer.strip())), number(str(gold))
        if said is not None and target:
            matches.append(abs(said - target) / abs(target) <= 0.05)
        else:
            matches.append(answer.strip().lower() == gold.lower())
    return float(np.max(matches))


def edits_by_row(first: str, second: str) -> int:
    if len(first) > len(second):
        first, second = second, first
    row = list(range(len(first) + 1))
    for i, b in enumerate(second):
        below = [i + 1]
        for j, a in enumerate(first):
            below.append(row[j] if a == b else 1 + min(row[j], row[j + 1], below[-1]))
        row = below
    return row[-1]


def anls_by_row(answer: str, accepted: list[str]) -> float:
    distances = []
    for gold in accepted:
        first = " ".join(gold.strip().lower().split())
        second = " ".join(answer.strip().lower().split())
        longest = max(len(gold.upper()), len(answer.upper()))
        distances.append(edits_by_row(first, second) / longest if longest else 0.0)
    similarity = 1 - min(distances)
    return similarity if similarity >= 0.5 else 0.0


def yes_no_by_row(answer: str) -> str | None:
    words = punctuation_by_row(answer.lower()).split()
    if "yes" in words and "no" not in words:
        return "yes"
    return "no" if "yes" not in words and "no" in words else None


def mmmu_by_row(answer: str, choices: dict[str, str]) -> str | None:
    for mark in [",", ".", "!", "?", ";", ":", "'"]:
        answer = answer.strip(mark)
    answer = " " + answer + " "
    named, bracketed, by_letter = [], False, True
    for letter in choices:
        if f"({letter})" in answer:
            named.append(letter)
            bracketed = True
    for form in ("{} ", "{}."):
        if not named:
            named = [letter for letter in choices if form.format(letter) in answer]
    if not named and len(answer.split()) > 5:
        by_letter = False
        named = [letter for letter, text in choices.items() if text.lower() in answer.lower()]
    if len(named) < 2:
        return named[0] if named else None
    if not by_letter:
        places = [answer.lower().rfind(choices[letter].lower()) for letter in named]
    else:
        form = "({})" if bracketed else " {} "
        places = [answer.rfind(form.format(letter)) for letter in named]
    return named[int(np.argmax(places))]


class Metric(NamedTuple):
    ours: Callable[..., object]
    original: Callable[..., object]
    rows: Callable[[Random], list[Row]]


METRICS = {
    "mmbench exact matching": Metric(extract_exact, match_by_row, choice_rows),
    "ocrbench": Metric(ocrbench_correct, contain_by_row, ocr_rows),
    "vqa accuracy": Metric(vqa.vqa_accuracy, vqa_by_row, lambda random: text_rows(random, 10)),
    "relaxed accuracy": Metric(
        vqa.relaxed_accuracy, relaxed_by_row, lambda random: text_rows(random, 1)
    ),
    "anls": Metric(
        partial(anls, variant="legacy"),
        anls_by_row,
        lambda random: text_rows(random, 2),
    ),
    "pope yes/no": Metric(yes_no, yes_no_by_row, yes_no_rows),
    "mmmu multiple choice": Metric(extract_mmmu, mmmu_by_row, choice_rows),
}


@pytest.mark.parametrize("name", METRICS)
def test_scoring_is_no_slower_than_row_by_row(benchmark: BenchmarkFixture, name: str):
    metric = METRICS[name]
    rows = metric.rows(Random(name))

    def ours(count: int) -> list[object]:
        return [metric.ours(*row) for row in rows[:count]]

    def original(count: int) -> list[object]:
        return [metric.original(*row) for row in rows[:count]]

    start = time.perf_counter()
    scores = ours(ROWS)
    rate = ROWS / (time.perf_counter() - start)
    assert scores == original(ROWS)
    ratio = compare(benchmark, lambda: ours(TIMED), lambda: original(TIMED), ROUNDS)
    benchmark.extra_info["rows_per_second"] = rate
    print(f"\n{name}: {rate:,.0f} rows a second; the originals' way takes {ratio}")
    assert ratio.median >= 1
