"""The scheduler on simulated workers, against bounds and against a schedule computed by itself."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from zlib import crc32

import pytest

from harness.engines.service import ServiceTime, fit
from harness.engines.shards import Cut, Rows, Shard, cut
from harness.engines.simulation import Faults, Simulated, simulate


def noisy(seed: int, fixed: float = 0.2, spread: float = 0.3) -> ServiceTime:
    dice = random.Random(seed)
    ratios = [max(0.1, dice.gauss(1, spread)) for _ in range(100)]
    mean = sum(ratios) / len(ratios)
    return ServiceTime(fixed_s=fixed, sample_s=1.0, ratios={8: tuple(r / mean for r in ratios)})


def shards_of(samples: int, workers: int, batch: int = 8) -> list[Shard]:
    work = [Rows("t", [(n, str(n // 4)) for n in range(samples)])]
    return cut(work, Cut(workers=workers, batch=batch))


def list_schedule(lengths: Sequence[float], workers: int) -> float:
    """Graham's list scheduling: each job in turn goes to the worker that is free first."""
    free = [0.0] * workers
    for length in lengths:
        heapq.heapreplace(free, free[0] + length)
    return max(free)


@pytest.mark.parametrize("workers", [1, 2, 16, 256, 1024])
def test_without_faults_it_is_list_scheduling(workers: int):
    shards, service = shards_of(2212, workers), noisy(workers)
    found = simulate(shards, workers, {"t": service}, batch=8, seed=5)
    lengths = []
    for shard in shards:
        parts = [shard.rows[i : i + 8] for i in range(0, len(shard.rows), 8)]
        lengths.append(sum(service.draw_s(len(p), crc32(f"5:{p[0]}".encode())) for p in parts))
    assert found.makespan_s == pytest.approx(list_schedule(lengths, workers))
    assert found.busy_s == pytest.approx(sum(lengths))
    assert found.longest_s == pytest.approx(max(lengths))
    assert found.bound_s <= found.makespan_s <= found.busy_s / workers + found.longest_s
    assert found.finished == 2212


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    shards, service = shards_of(300, 8), {"t": noisy(1)}
    faults = Faults(deaths_per_hour=200, hangs=0.05)
    first, second, other = (
        simulate(shards, 8, service, batch=8, seed=s, faults=faults) for s in (1, 1, 2)
    )
    assert first == second != other


@pytest.mark.parametrize("workers", [1, 3, 64, 1024])
@pytest.mark.parametrize("seed", range(3))
def test_every_sample_comes_back_from_a_fleet_that_dies_and_hangs(workers: int, seed: int):
    faults = Faults(deaths_per_hour=60, hangs=0.02)
    shards = shards_of(1500, workers)
    found = simulate(
        shards, workers, {"t": noisy(2)}, batch=8, seed=seed, faults=faults, attempts=10**6
    )
    assert (found.finished, found.given_up) == (1500, 0)
    assert found.lost > 0


@pytest.mark.parametrize("attempts", [2, 3])
def test_samples_that_kill_workers_are_given_up_and_no_others(attempts: int):
    deadly = frozenset({0, 13, 14, 499})
    found = simulate(
        shards_of(500, 8),
        8,
        {"t": noisy(3)},
        batch=8,
        faults=Faults(deadly=deadly),
        attempts=attempts,
    )
    assert (found.finished, found.given_up) == (500 - len(deadly), len(deadly))
    # Two of them may share a first batch and so a first loss.
    assert attempts * len(deadly) - 1 <= found.lost <= attempts * len(deadly)


def test_latency_is_paid_per_shard():
    shards = shards_of(64, 1)
    plain, late = (simulate(shards, 1, {"t": noisy(4)}, batch=8, latency_s=s) for s in (0.0, 0.5))
    assert late.makespan_s - plain.makespan_s == pytest.approx(0.5 * len(shards))


def test_a_hanging_worker_costs_its_patience():
    found = simulate(
        [Shard("t", (1,))],
        1,
        {"t": ServiceTime(fixed_s=0.0, sample_s=1.0)},
        batch=1,
        seed=0,
        faults=Faults(hangs=0.5),
        hang_after=50.0,
        attempts=100,
    )
    assert found.makespan_s == pytest.approx(50.0 * found.lost + 1.0)


def test_the_fit_finds_the_line_and_its_ratios():
    dice = random.Random(0)
    made = [(size, (2 + 0.5 * size) * dice.choice((0.9, 1.1))) for size in (1, 2, 4, 8) * 50]
    found = fit(made)
    assert found.fixed_s == pytest.approx(2, rel=0.1)
    assert found.sample_s == pytest.approx(0.5, rel=0.1)
    assert found.sizes == (1, 2, 4, 8)
    for size, ratios in found.ratios.items():
        measured = [seconds for measured_size, seconds in made if measured_size == size]
        assert [(found.fixed_s + found.sample_s * size) * r for r in ratios] == pytest.approx(
            measured
        )


def test_one_size_alone_gives_no_fixed_part():
    found = fit([(4, 8.0), (4, 12.0)])
    assert (found.fixed_s, found.sample_s) == (0.0, pytest.approx(2.5))


def test_no_part_of_the_line_is_negative():
    assert fit([(1, 0.1), (2, 4.0), (4, 16.0)]).fixed_s == 0.0
    assert fit([(1, 5.0), (8, 5.0), (16, 4.0)]).sample_s == 0.0


ALIKE = ServiceTime(fixed_s=0.0, sample_s=1.0)


def slowed(workers: int, faults: Faults, *, lendable: tuple[str, ...] = ("t",)) -> Simulated:
    return simulate(
        shards_of(40 * workers, workers),
        workers,
        {"t": noisy(5, spread=0.05)},
        batch=8,
        faults=faults,
        lendable=lendable,
        attempts=10**6,
    )


@pytest.mark.parametrize("workers", [4, 32])
def test_a_slow_worker_is_relieved_of_what_it_holds(workers: int):
    faults = Faults(slow={1: 5.0})
    alone, lent = (slowed(workers, faults, lendable=some) for some in ((), ("t",)))
    assert (alone.lent, alone.finished, lent.finished) == (0, 40 * workers, 40 * workers)
    assert lent.lent > 0
    assert lent.makespan_s < 0.8 * alone.makespan_s


@pytest.mark.parametrize("workers", [4, 32])
def test_workers_of_equal_speed_repeat_next_to_nothing(workers: int):
    alone, lent = (slowed(workers, Faults(), lendable=some) for some in ((), ("t",)))
    assert lent.lent < 0.01 * lent.finished
    assert lent.makespan_s <= alone.makespan_s
    assert lent.busy_s == pytest.approx(alone.busy_s, rel=0.01)


def test_a_batch_five_times_as_slow_ends_with_its_copy():
    """From 1.5 s on it's too slow; the copy takes a second more."""
    faults = Faults(slow={1: 5.0})
    shards = [Shard("t", (n,)) for n in range(2)]
    found = simulate(shards, 2, {"t": ALIKE}, batch=1, faults=faults, lendable={"t"})
    assert (found.makespan_s, found.lent, found.finished) == (pytest.approx(2.5), 1, 2)
    assert found.busy_s == pytest.approx(2.0), "without what didn't count"


@pytest.mark.parametrize("seed", range(4))
def test_every_sample_comes_back_once_from_slow_workers_that_die_and_hang(seed: int):
    faults = Faults(deaths_per_hour=60, hangs=0.02, slow=dict.fromkeys(range(1, 9), 4.0))
    found = simulate(
        shards_of(1500, 64),
        64,
        {"t": noisy(2)},
        batch=8,
        seed=seed,
        faults=faults,
        attempts=10**6,
        lendable={"t"},
    )
    assert (found.finished, found.given_up) == (1500, 0)
    assert found.lost > 0
    assert found.lent > 0


@pytest.mark.parametrize("seed", range(4))
def test_samples_that_kill_workers_take_one_more_along_at_most(seed: int):
    deadly = frozenset({0, 13, 14, 499})
    faults = Faults(deadly=deadly, slow=dict.fromkeys(range(1, 5), 4.0))
    shards, service = shards_of(500, 8), {"t": noisy(3)}
    found = simulate(
        shards, 8, service, batch=8, seed=seed, faults=faults, attempts=3, lendable={"t"}
    )
    assert (found.finished, found.given_up) == (500 - len(deadly), len(deadly))
    assert found.lost <= (3 + 1) * len(deadly)


@pytest.mark.parametrize(("lendable", "makespan"), [((), 4.0), (("t",), 3.0)])
def test_the_tail_begins_when_the_last_shard_is_taken(lendable: tuple[str, ...], makespan: float):
    """One worker has four samples; the other has the last shard from 1 s to 2 s, and helps then."""
    shards = [Shard("t", (0, 1, 2, 3)), Shard("t", (4,)), Shard("t", (5,))]
    found = simulate(shards, 2, {"t": ALIKE}, batch=1, lendable=lendable)
    assert found.makespan_s == pytest.approx(makespan)
    assert found.tail_s == pytest.approx(makespan - 1.0)
