"""The queue, against timelines worked out by hand."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import pytest

from harness.records import Response, Timing, Usage
from tasks.probes.bench import Timed
from tasks.probes.inputs import Workload
from tasks.probes.latency_metrics import MEASURED
from tasks.probes.queueing import Answered, arrival_times, serve
from tasks.probes.scenario_metrics import (
    Bounds,
    query_scores,
    scenario_metrics,
    server_scores,
    throughput_scores,
)
from tests.probes.clockwork import Clock

LOAD = Workload(image_size=8, max_new_tokens=4, steps=1)
REQUESTS = [LOAD.request(MEASURED[1], 0, seed) for seed in range(5)]


def served(clock: Clock, arrivals: Sequence[float], most: int = 2) -> list[Answered]:
    """Each batch takes a second, and half a second more for each request."""

    def work(batch: Sequence[Any]) -> Timed:
        seconds = 1 + 0.5 * len(batch)
        clock.now += seconds
        responses = [
            Response(text="x", usage=Usage(completion_tokens=3), timing=Timing(ttft_s=0.5))
            for _ in batch
        ]
        return Timed(seconds, responses)

    return serve(REQUESTS[: len(arrivals)], arrivals, most, work)


def test_requests_wait_while_the_model_works(clock: Clock):
    found = served(clock, [1.0, 1.2, 2.0, 2.1, 9.0])
    # 1.0 alone until 2.5; 1.2 and 2.0 until 4.5; 2.1 until 6.0; idle; 9.0 until 10.5.
    assert [one.start for one in found] == pytest.approx([1.0, 2.5, 2.5, 4.5, 9.0])
    assert [one.end for one in found] == pytest.approx([2.5, 4.5, 4.5, 6.0, 10.5])
    assert [one.batch for one in found] == [1, 2, 2, 1, 1]
    assert [one.latency for one in found] == pytest.approx([1.5, 3.3, 2.5, 3.9, 1.5])
    assert [one.ttft for one in found] == pytest.approx([0.5, 1.8, 1.0, 2.9, 0.5])
    assert found[1].tpot == pytest.approx((3.3 - 1.8) / 2)


def test_a_full_queue_goes_in_full_batches(clock: Clock):
    found = served(clock, [0.0] * 5)
    assert [one.batch for one in found] == [2, 2, 2, 2, 1]
    assert throughput_scores(found) == pytest.approx(
        {"requests_per_s": 5 / 5.5, "tokens_per_s": 15 / 5.5, "completion_tokens": 3}
    )


def test_nobody_is_served_before_arriving_and_the_order_is_kept(clock: Clock):
    arrivals = arrival_times(3, 5, 0.7)
    found = served(clock, arrivals, most=3)
    assert [one.arrival for one in found] == arrivals
    assert all(one.start >= one.arrival - 1e-9 for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)


def test_arrivals_are_a_poisson_process():
    times = arrival_times(7, 20_000, 5.0)
    gaps = [b - a for a, b in zip([0.0, *times], times, strict=False)]
    assert statistics.fmean(gaps) == pytest.approx(0.2, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(0.2, rel=0.03)  # as only exponential gaps have
    beyond = sum(gap > 0.2 for gap in gaps) / len(gaps)
    assert beyond == pytest.approx(0.3679, abs=0.01)  # 1/e
    counts = [sum(second <= time < second + 1 for time in times[:5000]) for second in range(900)]
    assert statistics.variance(counts) == pytest.approx(statistics.fmean(counts), rel=0.15)


def test_arrivals_follow_the_seed_alone():
    assert arrival_times(1, 9, 2.0) == arrival_times(1, 9, 2.0) != arrival_times(2, 9, 2.0)
    assert arrival_times(1, 9, 4.0) == pytest.approx([t / 2 for t in arrival_times(1, 9, 2.0)])


def test_goodput_counts_those_that_keep_every_bound(clock: Clock):
    found = served(clock, [1.0, 1.2, 2.0, 2.1, 9.0])
    scores = server_scores(found, Bounds(latency=3.0, ttft=None, tpot=None))
    assert scores["goodput"] == pytest.approx(3 / 10.5)
    assert scores["within_bounds"] == pytest.approx(3 / 5)
    both = server_scores(found, Bounds(latency=3.0, ttft=0.9, tpot=None))
    assert both["within_bounds"] == pytest.approx(2 / 5)
    assert "goodput" not in server_scores(found, Bounds(None, None, None))


def test_an_unknown_time_keeps_no_bound():
    silent = Answered(0.0, 0.0, 1.0, Response(text="x"), 1)
    assert query_scores(silent) == {"latency": 1.0}
    assert Bounds(2.0, None, None).kept(silent)
    assert not Bounds(2.0, 2.0, None).kept(silent)


def test_quantiles_are_over_the_requests_of_an_episode(clock: Clock):
    found = server_scores(served(clock, [1.0, 1.2, 2.0, 2.1, 9.0]), Bounds(None, None, None))
    assert found["latency_p50"] == pytest.approx(2.5)
    assert found["latency_p90"] == pytest.approx(3.3 + 0.6 * (3.9 - 3.3))
    assert found["ttft_p50"] == pytest.approx(1.0)


def test_metric_names_are_unique_and_their_sides_are_right():
    specs = scenario_metrics()
    assert len({spec.name for spec in specs}) == len(specs)
    better = {spec.name: spec.direction.value for spec in specs}
    assert better["answer_server_latency_p99"] == "lower"
    assert better["answer_server_goodput"] == "higher"
    assert better["generate_image_offline_joules_per_request"] == "lower"
    assert "generate_image_single_stream_tpot_p50" not in better
    assert {"answer_offline_tokens_per_s", "generate_image_offline_images_per_s"} <= set(better)
