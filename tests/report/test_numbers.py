"""Costs, and where the marks of small plots stand."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costs import QUANTITIES, CostBuilder, Spread, readable, task_costs
from harness.errors import UnknownNameError
from harness.leaderboard import Cell, Column
from harness.records import (
    DatasetInfo,
    Identity,
    MetricSpec,
    MetricValue,
    Protocol,
    StoredResponse,
    Timing,
    Usage,
)
from harness.report.drawing import interval_mark, points, spread_mark, ticks
from tests.report.conftest import MakeRun

POSITIVE = st.floats(1e-6, 1e6)


def _column(**metric: object) -> Column:
    return Column(
        task="t",
        metric=MetricSpec(name="m", score="s", **metric),  # type: ignore[arg-type]
        protocol=Protocol(
            id="p",
            task="t",
            task_version=1,
            dataset=DatasetInfo(name="d", revision="1", split="s", licence="CC0-1.0"),
            prompt_template="",
            scorer=Identity(id="s", version="1"),
        ),
        protocol_hash="0",
    )


def _cell(value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    return Cell(value=MetricValue(name="m", value=value, low=low, high=high))


@given(st.lists(POSITIVE, min_size=1, max_size=50), st.integers(1, 8))
def test_spreads_are_quantiles_of_what_a_response_takes(seconds: list[float], batch: int):
    builder = CostBuilder()
    for total in seconds:
        builder.add(StoredResponse(timing=Timing(total_s=total, batch_size=batch)))
    spread = builder.costs()["seconds"]
    expected = np.quantile(np.array(seconds) / batch, (0.1, 0.5, 0.9))
    assert spread == pytest.approx((len(seconds), *expected))


def test_what_is_not_known_is_absent_and_never_zero():
    builder = CostBuilder()
    builder.add(StoredResponse())
    assert builder.costs() == {}
    builder.add(StoredResponse(usage=Usage(vision_tokens=0)))
    builder.add(StoredResponse(usage=Usage(prompt_tokens=3)))
    costs = builder.costs()
    assert costs["vision_tokens"] == Spread(1, 0, 0, 0)
    assert set(costs) == {"vision_tokens", "prompt_tokens"}
    assert set(costs) <= set(QUANTITIES)


def test_costs_of_a_stored_task(make_run: MakeRun):
    run = make_run("toy-questions")
    costs = task_costs(run, "toy-questions")
    assert costs["vision_tokens"] == Spread(16, 4, 4, 4)
    assert costs["prompt_tokens"].p50 == 17.5
    assert costs["seconds"].p50 == pytest.approx(0.02 * 8.5)
    with pytest.raises(UnknownNameError, match="toy-questions"):
        task_costs(run, "toy-question")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_fractions_have_the_axis_from_nought_to_one(a: float, b: float, c: float):
    low, value, high = sorted((a, b, c))
    mark = interval_mark(_cell(value, low, high), _column(), [])
    assert mark == pytest.approx((100 * value, 100 * low, 100 * (high - low)))


def test_other_numbers_share_an_axis():
    column = _column(high=None, unit="s")
    cells = [_cell(1.0), _cell(3.0, 2.0, 4.0), _cell(None)]
    marks = [interval_mark(cell, column, cells) for cell in cells]
    assert marks[2] is None
    assert marks[0].value == pytest.approx(100 / 4 / 1.08)
    assert marks[1].low + marks[1].width < 100


@pytest.mark.parametrize("cell", [Cell(), _cell(None), _cell(-1.0), _cell(0.5, -2.0, 1.0)])
def test_what_has_no_place_on_the_axis_is_not_drawn(cell: Cell):
    assert interval_mark(cell, _column(low=None, high=None), [_cell(1.0)]) is None


@given(st.lists(st.tuples(POSITIVE, POSITIVE, POSITIVE).map(sorted), min_size=1, max_size=5))
def test_costs_stay_on_their_axis(values: list[list[float]]):
    spreads = [Spread(1, *three) for three in values]
    for spread in spreads:
        mark = spread_mark(spread, spreads)
        assert 0 <= mark.low <= mark.value <= mark.low + mark.width + 1e-9 <= 100


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 10)), min_size=1, max_size=6))
def test_names_of_points_keep_clear_of_one_another(runs: list[tuple[float, float]]):
    placed = points([(f"r{n}", _cell(score), cost) for n, (score, cost) in enumerate(runs)])
    assert len(placed) == len(runs)
    for side in (True, False):
        places = sorted(p.text_y for p in placed if p.leftward is side)
        assert all(b - a >= 8 - 1e-9 for a, b in pairwise(places))


@given(st.floats(1e-5, 1e7))
def test_ticks_are_few_and_within(top: float):
    found = ticks(top)
    assert found[0] == 0
    assert 3 <= len(found) <= 7
    assert found[-1] <= top * (1 + 1e-9)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0, "s", "0 ms"), (1e-5, "s", "0.01 ms"), (59.96, "s", "60 s"), (0.5, "", "0.5")],
)
def test_costs_as_people_read_them(value: float, unit: str, text: str):
    assert readable(value, unit) == text


def test_no_axis_without_a_length():
    assert ticks(0) == [0.0]
    assert math.isfinite(points([("r", _cell(0.5), 0.0)])[0].x)
    assert spread_mark(Spread(1, 0, 0, 0), [Spread(1, 0, 0, 0)]).value == 0


def test_labels_of_a_path_are_the_same_on_every_machine(tmp_path: Path):
    from harness.report.pictures import _plain

    assert _plain("images/task/a_0.png") == "task/a_0"
    assert ".." not in _plain("../../etc/passwd.png")
    assert _plain("/etc/x.png") == "etc/x"
