"""DPG-Bench's rules where the original is wrong, and on bad input."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.dpg import (
    DPGQuestion,
    parse_dpg_questions,
    score_dpg_image,
    summarise_dpg,
)


def _row(item: str, number: int, dependency: str = "0", kind: str = "entity - whole") -> Any:
    return {
        "item_id": item,
        "proposition_id": number,
        "dependency": dependency,
        "tuple": f"{kind} (thing {number})",
        "question_natural_language": f"Is there thing {number}?",
    }


def _asked(number: int, *parents: int, category: str = "entity - whole") -> DPGQuestion:
    return DPGQuestion(number=number, parents=parents, category=category, text="?")


def test_the_first_question_counts_unless_legacy():
    rows = [_row("a", 1), _row("a", 2, "1")]
    assert [q.number for q in parse_dpg_questions(rows)["a"]] == [1, 2]
    assert [q.number for q in parse_dpg_questions(rows, legacy=True)["a"]] == [2]


def test_separated_blocks_of_an_item_are_joined_unless_legacy():
    rows = [_row("x", 1), _row("a", 1), _row("b", 1), _row("a", 2, "1")]
    assert [q.number for q in parse_dpg_questions(rows)["a"]] == [1, 2]
    assert [q.number for q in parse_dpg_questions(rows, legacy=True)["a"]] == [2]


def test_a_parent_that_is_missing_is_named():
    with pytest.raises(ValueError, match="question 2 of item 'a' depends on 7"):
        parse_dpg_questions([_row("a", 1), _row("a", 2, "1, 7")])


@pytest.mark.parametrize("bad", [{"dependency": "one"}, {"proposition_id": ""}])
def test_bad_cells_name_their_row(bad: dict[str, str]):
    with pytest.raises(ValueError, match="question row 2"):
        parse_dpg_questions([_row("a", 1), {**_row("a", 2), **bad}])


def test_missing_columns_name_their_row():
    row = _row("a", 1)
    del row["tuple"]
    with pytest.raises(ValueError, match=r"question row 1.*tuple"):
        parse_dpg_questions([row])


@pytest.mark.parametrize(
    ("answer", "counts", "legacy"),
    [("yes", 1, 1), ("Yes", 1, 0), (" yes.", 1, 0), ("no", 0, 0), ("yes it is", 0, 0), ("", 0, 0)],
)
def test_what_counts_as_yes(answer: str, counts: int, legacy: int):
    questions = [_asked(1)]
    assert score_dpg_image(questions, [{1: answer}]).score == counts
    assert score_dpg_image(questions, [{1: answer}], legacy=True).score == legacy


def test_a_struck_parent_strikes_its_children_in_order():
    questions = [_asked(1), _asked(2, 1), _asked(3, 2)]
    image = score_dpg_image(questions, [{1: "no", 2: "yes", 3: "yes"}])
    assert image.score == 0
    assert image.answered == ({1: 0, 2: 1, 3: 1},)


def test_categories_are_of_all_pictures_unless_legacy():
    questions = (_asked(1, category="attribute - color"),)
    image = score_dpg_image(questions, [{1: "no"}, {1: "yes"}])
    assert summarise_dpg([(questions, image)]).broad == {"attribute": 50.0}
    assert summarise_dpg([(questions, image)], legacy=True).broad == {"attribute": 100.0}


def test_without_images_there_is_no_total():
    assert summarise_dpg([]).overall is None


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_more_yes_never_scores_less(pictures: list[tuple[bool, bool]]):
    questions = [_asked(1), _asked(2, 1)]
    answers = [{1: _say(a), 2: _say(b)} for a, b in pictures]
    better = [{1: "yes", 2: one[2]} for one in answers]
    low, high = (score_dpg_image(questions, given).score for given in (answers, better))
    assert 0 <= low <= high <= 1


def _say(yes: bool) -> str:
    return "yes" if yes else "no"
