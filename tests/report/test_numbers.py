"""Costs, and where the marks of small plots stand."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costs import (
    QUANTITIES,
    Batches,
    CostBuilder,
    Spread,
    readable,
    task_costs,
    timing_notes,
)
from harness.errors import UnknownNameError
from harness.leaderboard import Cell, Column
from harness.records import (
    DatasetInfo,
    First,
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
    assert spread[:4] == pytest.approx((len(seconds), *expected))
    assert spread.batches == Batches(size=batch, left_out=0, first=None)


def _timed(count: int, total: float, size: int, first: First | None = None) -> list[StoredResponse]:
    timing = Timing(ttft_s=total / 2, total_s=total, batch_size=size, first=first)
    return [StoredResponse(timing=timing)] * count


def _costs(*groups: list[StoredResponse]) -> dict[str, Spread]:
    builder = CostBuilder()
    for group in groups:
        for response in group:
            builder.add(response)
    return dict(builder.costs())


USUAL = _timed(4, 2.0, 4)
COLD = _timed(8, 80.0, 8, First.KIND)
RESIZED = _timed(3, 9.0, 3, First.SIZE)


def test_first_batches_are_left_out_where_there_are_usual_ones():
    for found in (_costs(COLD, RESIZED, USUAL), _costs(USUAL, RESIZED, COLD)):
        batches = Batches(size=4, left_out=11, first=None)
        assert found["seconds"] == Spread(4, 0.5, 0.5, 0.5, batches)
        assert found["ttft"] == Spread(4, 1.0, 1.0, 1.0, batches)


def test_a_first_batch_of_its_size_stands_in_before_a_process_s_first():
    batches = Batches(size=3, left_out=8, first=First.SIZE)
    assert _costs(COLD, RESIZED)["seconds"] == Spread(3, 3.0, 3.0, 3.0, batches)


def test_where_there_is_only_a_first_batch_its_time_is_called_cold():
    found = _costs(COLD)["seconds"]
    assert found == Spread(8, 10.0, 10.0, 10.0, Batches(size=8, left_out=0, first=First.KIND))
    assert timing_notes({"a": found, "b": found}) == [
        "cold: times of first batches alone, with loading and compiling in them: a, b"
    ]


def test_counts_of_first_batches_count():
    usage = Usage(completion_tokens=3)
    responses = [StoredResponse(usage=usage, timing=one.timing) for one in COLD + USUAL]
    assert _costs(responses)["completion_tokens"] == Spread(12, 3, 3, 3)


def test_the_size_of_batches_is_that_of_most_responses():
    assert _costs(_timed(9, 1.0, 8), _timed(3, 1.0, 3))["seconds"].batches.size == 8


def test_times_of_different_batch_sizes_are_said_not_to_compare():
    found = {"a": _costs(USUAL), "b": _costs(_timed(2, 1.0, 1)), "c": _costs(USUAL)}
    assert timing_notes({name: costs["seconds"] for name, costs in found.items()}) == [
        "times are of batches of different sizes and do not compare: 1 (b), 4 (a, c)"
    ]
    assert timing_notes({"a": found["a"]["seconds"], "c": found["c"]["seconds"]}) == []
    assert timing_notes({"a": Spread(3, 1, 1, 1), "b": Spread(9, 1, 1, 1)}) == []


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
    assert costs["seconds"].p50 == pytest.approx(0.02 * 9)  # of all but the first
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
