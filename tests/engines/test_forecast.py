"""How well many workers share GenEval's 4 x 553 images, with times that a run measured.

`tests/golden/service_times/cheers_nano.json` holds batch sizes and CPU seconds of every batch of
four runs of cheers-nano on shapes-geneval, 96 images each, as their ledgers have them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.engines.forecast import Forecast, choose_cut, forecast
from harness.engines.service import ServiceTime, fit, one_worker_s
from harness.engines.shards import Cut, Rows, cut
from harness.engines.simulation import simulate

MEASURED = Path(__file__).parents[1] / "golden" / "service_times" / "cheers_nano.json"
GENEVAL = [Rows("geneval", [(n, f"{n // 4:05d}") for n in range(4 * 553)])]


@pytest.fixture(scope="module")
def times() -> list[tuple[int, float]]:
    return [(size, seconds) for size, seconds in json.loads(MEASURED.read_text())["batches"]]


@pytest.fixture(scope="module")
def singly(times: list[tuple[int, float]]) -> dict[str, ServiceTime]:
    """Images drawn one by one."""
    return {"geneval": fit([time for time in times if time[0] == 1])}


@pytest.fixture(scope="module")
def batched(times: list[tuple[int, float]]) -> dict[str, ServiceTime]:
    return {"geneval": fit(times)}


def test_256_workers_are_above_90_percent(singly: dict[str, ServiceTime]):
    found = forecast(GENEVAL, 256, 1, singly)
    assert found.efficiency > 0.9
    assert 1 - found.idle_share > 0.9
    assert found.bound_s / found.makespan_s > 0.9


@pytest.mark.parametrize("workers", [1, 16, 128])
def test_fewer_workers_are_above_90_percent_too(singly: dict[str, ServiceTime], workers: int):
    assert forecast(GENEVAL, workers, 1, singly).efficiency > 0.9


@pytest.mark.parametrize("workers", [1, 64])
def test_with_full_batches_64_workers_are(batched: dict[str, ServiceTime], workers: int):
    assert forecast(GENEVAL, workers, 8, batched).efficiency > 0.9


@pytest.mark.parametrize("workers", [512, 1024])
def test_beyond_256_workers_no_schedule_reaches_90_percent(
    singly: dict[str, ServiceTime], workers: int
):
    """Someone must draw ceil(2212 / workers) images, and that alone takes too long."""
    found = forecast(GENEVAL, workers, 1, singly)
    most = -(-2212 // workers)
    assert found.ceiling == pytest.approx(2212 / (workers * most), rel=1e-6)
    assert found.efficiency < found.ceiling < 0.9
    assert found.efficiency > 0.9 * found.ceiling


def test_batches_of_eight_barely_could(batched: dict[str, ServiceTime]):
    """Nine images are a batch of eight and one alone, which costs its fixed part again.

    Were it not for the spread between batches, it would be the ceiling's 91%.
    """
    found = forecast(GENEVAL, 256, 8, batched)
    assert found.ceiling < 0.92
    assert 0.8 < found.efficiency < 0.9
    one_size = forecast(GENEVAL, 256, 9, batched)
    assert one_size.ceiling > 0.95
    assert one_size.makespan_s < found.makespan_s


def test_nine_at_once_reach_the_ceiling_if_all_take_equally_long():
    """A fixed part as large as four drawings in one batch being 2.2 times as fast implies."""
    even = {"geneval": ServiceTime(fixed_s=2.67, sample_s=1.0)}
    assert pytest.approx(2.2, abs=0.01) == 4 * (2.67 + 1) / (2.67 + 4)
    found = forecast(GENEVAL, 256, 9, even)
    assert found.efficiency > 0.95
    assert forecast(GENEVAL, 256, 8, even).ceiling < 0.81


def test_the_chosen_cut_is_no_worse_than_the_usual_ones(batched: dict[str, ServiceTime]):
    def makespan(how: Cut) -> float:
        shards = cut(GENEVAL, how)
        runs = [
            simulate(shards, 256, batched, batch=8, seed=seed, latency_s=0.006) for seed in range(3)
        ]
        return sum(run.makespan_s for run in runs) / 3

    chosen = makespan(choose_cut(GENEVAL, 256, 8, batched))
    assert chosen <= makespan(Cut(workers=256, batch=8))
    assert chosen <= makespan(Cut(workers=256, batch=8, share=1.0))
    whole_batches = cut(GENEVAL, Cut(workers=1, batch=8, most_batches=1))
    static = simulate(whole_batches, 256, batched, batch=8, latency_s=0.006)
    assert chosen < 0.9 * static.makespan_s, "cutting by batches alone leaves most workers idle"


def test_the_cut_is_a_function_of_its_arguments(batched: dict[str, ServiceTime]):
    assert choose_cut(GENEVAL, 100, 8, batched) == choose_cut(GENEVAL, 100, 8, batched)


def test_without_times_the_cut_keeps_a_reserve():
    assert choose_cut(GENEVAL, 256, 8, {}) == Cut(workers=256, batch=8)
    assert choose_cut([], 256, 8, {}) == Cut(workers=256, batch=8)


def test_one_worker_alone_takes_the_sum():
    service = {"t": ServiceTime(fixed_s=1.0, sample_s=2.0)}
    assert one_worker_s([Rows("t", [(n, "") for n in range(10)])], 4, service) == 3 + 20


def test_a_forecast_is_between_bound_and_one_worker(batched: dict[str, ServiceTime]):
    found: Forecast = forecast(GENEVAL, 32, 8, batched)
    alone = one_worker_s(GENEVAL, 8, batched)
    assert found.bound_s <= found.makespan_s < alone / 16
    assert found.efficiency <= found.ceiling <= 1
