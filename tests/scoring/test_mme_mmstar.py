"""Totals of MME and MMStar beyond the golden cases."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scoring.mmbench import pair_accuracy
from tasks.scoring.mme import COGNITION, PERCEPTION, MMEAnswer, mme_report
from tasks.scoring.mmstar import mmstar_report
from tasks.scoring.yesno import YesNo


def pair(category: str, image: str, first: YesNo | None, second: YesNo | None) -> list[MMEAnswer]:
    """Answers to a question whose answer is yes, and to one whose answer is no."""
    return [
        MMEAnswer(category=category, image=image, truth="yes", said=first),
        MMEAnswer(category=category, image=image, truth="no", said=second),
    ]


def all_categories(first: YesNo | None, second: YesNo | None) -> list[MMEAnswer]:
    return [answer for name in PERCEPTION + COGNITION for answer in pair(name, "1", first, second)]


def test_right_answers_score_2800() -> None:
    report = mme_report(all_categories("yes", "no"))
    assert (report.perception, report.cognition) == (2000, 800)


def test_always_yes_scores_half_and_no_pair() -> None:
    report = mme_report(all_categories("yes", "yes"))
    assert (report.perception, report.cognition) == (500, 200)


def test_an_unparsed_answer_is_wrong_and_counted() -> None:
    (figure,) = mme_report(pair("count", "1", "yes", None)).per_category.values()
    assert (figure.accuracy, figure.accuracy_plus, figure.unparsed) == (50, 0, 1)


def test_a_missing_category_leaves_no_total() -> None:
    answers = [answer for answer in all_categories("yes", "no") if answer.category != "OCR"]
    report = mme_report(answers)
    assert report.perception is None
    assert report.cognition == 800


said = st.sampled_from(["yes", "no", None])


@given(st.lists(st.tuples(said, said), min_size=1), st.randoms(use_true_random=False))
def test_figures_are_bounded_and_the_order_does_not_matter(pairs: Any, random: Any) -> None:
    answers = [answer for i, (a, b) in enumerate(pairs) for answer in pair("count", str(i), a, b)]
    (figure,) = mme_report(answers).per_category.values()
    assert 0 <= figure.accuracy_plus <= figure.accuracy <= 100
    assert figure.images == len(pairs)
    shuffled = random.sample(answers, len(answers))
    assert mme_report(shuffled).per_category["count"] == figure


def test_what_is_no_mme_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown MME category 'poetry'"):
        mme_report(pair("poetry", "1", "yes", "no"))
    with pytest.raises(ValueError, match=r"image '1\.png' of count has 1 answers, not 2"):
        mme_report(pair("count", "1.png", "yes", "no")[:1])
    with pytest.raises(ValueError, match="has 4 answers"):
        mme_report(pair("count", "1", "yes", "no") * 2)


def test_no_answers_give_no_totals() -> None:
    report = mme_report([])
    assert (report.per_category, report.perception, report.cognition) == ({}, None, None)


star_rows = st.lists(
    st.tuples(st.sampled_from("xy"), st.sampled_from("abc"), st.booleans()), min_size=1
)


@given(star_rows, st.randoms(use_true_random=False))
def test_mmstar_is_bounded_and_the_order_does_not_matter(rows: Any, random: Any) -> None:
    report = mmstar_report(rows)
    assert all(0 <= value <= 1 for value in (report.average, report.accuracy))
    other = mmstar_report(random.sample(rows, len(rows)))
    assert other.average == pytest.approx(report.average)
    assert other.per_category == pytest.approx(report.per_category)


@given(st.integers(1, 5))
def test_mmstar_on_equally_large_categories_is_the_plain_share(n: int) -> None:
    rows = [("x", finer, i == 0) for finer in "ab" for i in range(n)]
    report = mmstar_report(rows)
    assert report.average == pytest.approx(report.accuracy)


def test_mmstar_weighs_finer_categories_alike() -> None:
    rows = [("x", "a", True)] * 9 + [("x", "b", False)]
    report = mmstar_report(rows)
    assert (report.average, report.accuracy, report.n) == (0.5, 0.9, 10)
    with pytest.raises(ValueError, match="no answers"):
        mmstar_report([])


@given(st.lists(st.sampled_from(["ok", "wrong", "unparsed"]), min_size=1))
def test_pairs_are_right_together(verdicts: Any) -> None:
    assert pair_accuracy(verdicts + verdicts[::-1]) <= verdicts.count("ok") / len(verdicts)
    doubled = [verdict for verdict in verdicts for _ in range(2)]
    assert pair_accuracy(doubled) == verdicts.count("ok") / len(verdicts)


@pytest.mark.parametrize("verdicts", [[], ["ok"], ["ok"] * 3])
def test_what_cannot_be_paired_is_refused(verdicts: Any) -> None:
    with pytest.raises(ValueError, match="can't be paired"):
        pair_accuracy(verdicts)
