"""Option reading and circular evaluation beyond the golden cases."""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.scoring.mmbench import (
    ROTATION_STRIDE,
    MCQRow,
    MCQVerdict,
    can_infer,
    can_infer_option,
    can_infer_text,
    circular_eval,
    circular_report,
    judge_circular,
    judge_row,
    report_accuracy,
    vanilla_eval,
)

OPTIONS = ("teddy bear", "rabbit", "cat", "dog")
Model = Callable[[dict[str, str]], str]


def question(options: tuple[str, ...], gold: str, model: Model, base: int = 7) -> list[MCQRow]:
    rows = []
    for k in range(len(options)):
        turned = options[k:] + options[:k]
        choices = dict(zip(string.ascii_uppercase, turned, strict=False))
        answer = next(letter for letter, text in choices.items() if text == gold)
        rows.append(
            MCQRow(
                index=base + k * ROTATION_STRIDE,
                choices=choices,
                answer=answer,
                prediction=model(choices),
            )
        )
    return rows


def by_text(text: str) -> Model:
    """A model that always means the same option, and says its letter."""
    return lambda choices: next((k for k, v in choices.items() if v == text), "no idea at all")


def always(letter: str) -> Model:
    return lambda _choices: letter


models = st.one_of(
    st.sampled_from([*OPTIONS, "spider"]).map(by_text),
    st.sampled_from("ABCDZ?").map(always),
    st.sampled_from([text.upper() for text in OPTIONS]).map(always),
)


@given(models, st.sampled_from(OPTIONS), st.integers(0, 3))
def test_rotating_the_options_never_changes_the_circular_score(
    model: Model, gold: str, turn: int
) -> None:
    turned = OPTIONS[turn:] + OPTIONS[:turn]
    ((_, one),) = circular_eval(question(OPTIONS, gold, model))
    ((_, other),) = circular_eval(question(turned, gold, model))
    assert one == other


@given(models, st.sampled_from(OPTIONS), st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(model: Model, gold: str, random: Random) -> None:
    rows = question(OPTIONS, gold, model) + question(OPTIONS, "cat", by_text("cat"), base=9)
    assert circular_report(rows) == circular_report(random.sample(rows, len(rows)))


@pytest.mark.parametrize("letter", "ABCD")
def test_a_constant_letter_scores_a_quarter_plain_and_nothing_circular(letter: str) -> None:
    report = circular_report(question(OPTIONS, "cat", always(letter)))
    assert report.vanilla_all["none"]["Overall"] == 0.25
    assert report.circular["none"]["Overall"] == 0.0
    assert report.verdicts == {7: "wrong"}


def test_unparsed_is_told_from_wrong() -> None:
    rows = question(OPTIONS, "cat", by_text("cat"))
    mute = MCQRow(
        index=rows[1].index, choices=rows[1].choices, answer=rows[1].answer, prediction=""
    )
    assert circular_report([rows[0], mute, *rows[2:]]).verdicts == {7: "unparsed"}
    assert judge_row(mute) == "unparsed"


def test_a_refusal_is_an_answer_and_a_wrong_one() -> None:
    (row, *_) = question(OPTIONS, "cat", always("Cannot determine the answer"))
    assert can_infer(row.prediction, row.choices) == "Z"
    assert judge_row(row) == "wrong"


@given(st.sampled_from("ABCD"), st.sampled_from(["{}", " {} ", "({})", "\n{}.\n", "**{}**", "{}:"]))
def test_the_bare_letter_always_scores(letter: str, form: str) -> None:
    row = MCQRow(
        index=1,
        choices=dict(zip("ABCD", OPTIONS, strict=True)),
        answer=letter,
        prediction=form.format(letter),
    )
    assert judge_row(row) == "ok"


@given(
    st.integers(0, 3), st.sampled_from([str.lower, str.upper, str.title]), st.sampled_from(" \t\n")
)
def test_case_and_outer_space_of_an_options_text_do_not_matter(
    place: int, spell: Callable[[str], str], space: str
) -> None:
    choices = dict(zip("ABCD", OPTIONS, strict=True))
    assert can_infer_text(space + spell(OPTIONS[place]) + space, choices) == "ABCD"[place]


@given(st.text(max_size=200), st.lists(st.text(min_size=1), min_size=1, max_size=6))
def test_any_text_gives_an_option_a_refusal_or_nothing(answer: str, texts: list[str]) -> None:
    choices = dict(zip(string.ascii_uppercase, texts, strict=False))
    assert can_infer(answer, choices) in {*choices, "Z", None}


@given(st.text(max_size=60))
def test_reading_does_not_change_the_choices(answer: str) -> None:
    choices = {"A": "Cat", "B": "DOG"}
    can_infer(answer, choices)
    assert choices == {"A": "Cat", "B": "DOG"}


@given(st.lists(st.sampled_from(["ok", "wrong", "unparsed"]), min_size=1))
def test_circular_is_ok_exactly_if_all_are(verdicts: list[MCQVerdict]) -> None:
    assert (judge_circular(verdicts) == "ok") == all(verdict == "ok" for verdict in verdicts)


@given(st.lists(models, min_size=1, max_size=6))
def test_circular_accuracy_never_exceeds_plain_accuracy(several: list[Model]) -> None:
    rows = [
        row
        for number, model in enumerate(several)
        for row in question(OPTIONS, "dog", model, base=number)
    ]
    report = circular_report(rows)
    circular, plain = (table["none"]["Overall"] for table in (report.circular, report.vanilla_all))
    assert circular is not None
    assert plain is not None
    assert circular <= plain


def test_a_letter_early_in_a_long_answer_is_not_read() -> None:
    choices = dict(zip("ABCD", OPTIONS, strict=True))
    assert can_infer_option("B of course one two three", choices) is None
    assert can_infer_option("B one two three", choices) == "B"


def test_a_base_row_that_is_absent_leaves_its_question_out() -> None:
    rows = question(OPTIONS, "cat", by_text("cat"))
    assert circular_eval(rows[1:]) == []
    assert [row.index for row, _ in circular_eval(rows[:2])] == [7]


def test_categories_absent_from_a_split_are_none() -> None:
    row = MCQRow(index=1, choices={"A": "x"}, answer="A", prediction="A", split="dev", category="c")
    other = MCQRow(
        index=2,
        choices={"A": "x"},
        answer="A",
        prediction="A",
        split="test",
        l2_category="logic_reasoning",
    )
    assert report_accuracy(vanilla_eval([row, other])) == {
        "dev": {"Overall": 1.0, "LR": None, "c": 1.0},
        "test": {"Overall": 1.0, "LR": 1.0, "c": None},
    }


def test_nothing_judged_reports_nothing() -> None:
    report = circular_report([])
    assert (report.verdicts, report.circular, report.vanilla_all) == ({}, {}, {})


def test_duplicate_and_negative_indices_are_refused() -> None:
    rows = question(OPTIONS, "cat", by_text("cat"))
    with pytest.raises(ValueError, match="index 7 is used twice"):
        circular_eval([*rows, rows[0]])
    bad = MCQRow(index=-1, choices={"A": "x"}, answer="A", prediction="A")
    with pytest.raises(ValueError, match="index -1 is negative"):
        circular_eval([bad])


@pytest.mark.parametrize("letter", ["a", "AB", "", "1", "Ä"])
def test_keys_that_are_not_letters_are_refused(letter: str) -> None:
    with pytest.raises(ValueError, match="isn't a letter A to Z"):
        can_infer("x", {letter: "x"})


def test_a_question_without_rotations_is_refused() -> None:
    with pytest.raises(ValueError, match="without rotations"):
        judge_circular([])


@given(st.text(alphabet="abc AB.,", max_size=30))
def test_reading_ignores_outer_white_space(answer: str) -> None:
    choices = {"A": "ab", "B": "ba", "C": "cc"}
    assume(can_infer_text(answer.strip(), choices) is None)
    assert can_infer_option(f"\n{answer}\t", choices) == can_infer_option(answer, choices)
