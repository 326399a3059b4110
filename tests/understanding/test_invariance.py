"""Answers and scores depend on the sample alone: not on batch, order, or a stop in between."""

from __future__ import annotations

from typing import Any

import pytest

from tests.understanding.conftest import RunTask
from tests.understanding.synthetic import BENCHMARKS

QUICK = ("mmmu", "pope", "ocrbench", "textvqa")
"""One of each kind of question: options and several pictures, yes or no, a total, free text."""


@pytest.mark.parametrize(
    "task",
    [pytest.param(t, marks=() if t in QUICK else pytest.mark.slow) for t in sorted(BENCHMARKS)],
)
def test_cheers_nano_answers_alike_in_any_batch_and_order(task: str, run_task: RunTask):
    args = {"device": "cpu"}
    plain = run_task(task, "cheers-nano", args=args, count=6, max_new_tokens=12)
    alone = run_task(task, "cheers-nano", args=args, count=6, max_new_tokens=12, batch_size=1)
    turned = run_task(
        task,
        "cheers-nano",
        args=args,
        count=6,
        max_new_tokens=12,
        batch_size=5,
        rearrange=lambda page: list(reversed(page)),
    )
    assert plain.texts() == alone.texts() == turned.texts()
    assert plain.result.metrics == alone.result.metrics == turned.result.metrics
    assert set(plain.verdicts) <= {"ok", "wrong", "unparsed"}, plain.reasons()


def test_fewer_samples_are_the_first_ones(run_task: RunTask):
    whole, part = run_task("mmstar"), run_task("mmstar", limit=3)
    assert [e.sample for e in part.entries] == [e.sample for e in whole.entries][:3]


def test_cheers_nano_knows_shapes_by_mmbenchs_rules(run_task: RunTask):
    """The bare template is what the nano was trained on, almost: it answers far above chance."""
    ran: Any = run_task(
        "mmbench", "cheers-nano", args={"device": "cpu"}, count=20, max_new_tokens=12
    )
    assert ran.values["accuracy"] > 0.25
