"""How well 1 to 1,024 workers share GenEval's 4 x 553 images, on the real scheduler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.engines.forecast import forecast
from harness.engines.service import fit
from harness.engines.shards import Rows

MEASURED = Path(__file__).parents[1] / "tests/golden/service_times/cheers_nano.json"
GENEVAL = [Rows("geneval", [(n, f"{n // 4:05d}") for n in range(4 * 553)])]


@pytest.mark.bench
@pytest.mark.parametrize("batch", [1, 8])
def test_workers(batch: int):
    times = [(n, s) for n, s in json.loads(MEASURED.read_text())["batches"]]
    service = {"geneval": fit([time for time in times if batch > 1 or time[0] == 1])}
    print()
    for workers in (1, 4, 16, 64, 128, 256, 512, 1024):
        made = forecast(GENEVAL, workers, batch, service)
        sizes = f"| {batch} | {workers:,} | {made.shards:,} | {made.largest} | "
        times = f"{made.makespan_s:,.4g} | {made.bound_s:,.4g} | {made.tail_s:.2f} | "
        shares = f"{made.idle_share:.1%} | {made.efficiency:.1%} | {made.ceiling:.1%} |"
        print(sizes + times + shares)
        assert made.bound_s <= made.makespan_s
