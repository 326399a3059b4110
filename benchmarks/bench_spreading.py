"""How well 1 to 1,024 workers share GenEval's 4 x 553 images, on the real scheduler, and what it
gives if idle workers repeat what slow ones hold."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest

from harness.engines.forecast import LATENCY_S, choose_cut, forecast
from harness.engines.service import ServiceTime, fit
from harness.engines.shards import Rows, cut
from harness.engines.simulation import Faults, simulate

MEASURED = Path(__file__).parents[1] / "tests/golden/service_times/cheers_nano.json"
GENEVAL = [Rows("geneval", [(n, f"{n // 4:05d}") for n in range(4 * 553)])]


def measured(batch: int) -> dict[str, ServiceTime]:
    """Service times of cheers-nano; for single samples from those that were measured alone."""
    times = [(n, s) for n, s in json.loads(MEASURED.read_text())["batches"]]
    return {"geneval": fit([time for time in times if batch > 1 or time[0] == 1])}


@pytest.mark.bench
@pytest.mark.parametrize("batch", [1, 8])
def test_workers(batch: int):
    service = measured(batch)
    print()
    for workers in (1, 4, 16, 64, 128, 256, 512, 1024):
        made = forecast(GENEVAL, workers, batch, service)
        sizes = f"| {batch} | {workers:,} | {made.shards:,} | {made.largest} | "
        times = f"{made.makespan_s:,.4g} | {made.bound_s:,.4g} | {made.tail_s:.2f} | "
        shares = f"{made.idle_share:.1%} | {made.efficiency:.1%} | {made.ceiling:.1%} |"
        print(sizes + times + shares)
        assert made.bound_s <= made.makespan_s


@pytest.mark.bench
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize(
    ("workers", "slow", "least"),
    [(256, {}, 0.0), (64, {}, 0.0), (64, {1: 4.0, 2: 4.0}, 0.1), (64, {1: 1.5, 2: 1.5}, 0.0)],
)
def test_slow_workers(batch: int, workers: int, slow: dict[int, float], least: float):
    service, faults = measured(batch), Faults(slow=slow)
    shards = cut(GENEVAL, choose_cut(GENEVAL, workers, batch, service))
    run = partial(
        simulate, shards, workers, service, batch=batch, latency_s=LATENCY_S, faults=faults
    )
    alone, lent = (
        [run(seed=seed, lendable=some) for seed in range(8)] for some in ((), {"geneval"})
    )
    before, after = (fmean(one.makespan_s for one in runs) for runs in (alone, lent))
    gain, repeated = 1 - after / before, fmean(one.lent for one in lent)
    times = f"{before:,.4g} | {after:,.4g} | {gain:.0%} | {repeated:.0f}"
    print(f"\n| {batch} | {workers} | {slow} | {times} |")
    assert gain >= least - 1e-9
    assert repeated < 0.05 * 4 * 553
