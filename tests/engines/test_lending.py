"""What idle workers repeat, and when."""

from __future__ import annotations

import pytest

from harness.engines.lending import Lending
from harness.engines.queue import ShardQueue
from harness.engines.shards import Shard

INF = float("inf")


def holding(*shards: tuple[int, ...], batch: int = 2) -> tuple[ShardQueue, Lending]:
    """Workers 1, 2, ... hold shards, and have begun a first batch of each a second apart."""
    queue = ShardQueue(3, lendable={"t"})
    queue.add(Shard("t", rows) for rows in shards)
    lending = Lending(queue)
    for worker, rows in enumerate(shards, start=1):
        queue.lease(worker)
        queue.begin(worker, rows[:batch])
        lending.began(worker, float(worker))
    return queue, lending


def through(lending: Lending, worker: int, size: int, seconds: float) -> None:
    """A worker has finished a batch some time ago."""
    lending.began(worker, 0.0)
    lending.reported(worker, size, seconds)


def test_a_batch_is_repeated_once_it_lasts_half_again_as_long():
    _, lending = holding((1, 2), (3, 4))
    through(lending, 9, size=2, seconds=10.0)
    assert lending.until([9]) == pytest.approx(1.0 + 15.0)
    assert lending.lend([9], 15.9) is None
    assert lending.lend([9], 16.0) == (9, Shard("t", (1, 2)))
    assert lending.until([9]) == pytest.approx(2.0 + 15.0), "then the other's"


@pytest.mark.parametrize(("size", "slow_from"), [(4, 16.0), (2, 16.0), (1, 31.0)])
def test_a_larger_batch_may_take_longer_and_a_smaller_one_as_long(size: int, slow_from: float):
    _, lending = holding((1, 2))
    through(lending, 9, size=size, seconds=10.0)
    assert lending.until([9]) == pytest.approx(slow_from)


def test_the_batch_that_is_slow_first_counts_although_it_began_later():
    _, lending = holding((1, 2), (3,))
    through(lending, 9, size=1, seconds=10.0)
    assert lending.until([9]) == pytest.approx(2.0 + 15.0)
    assert lending.lend([9], 17.0) == (9, Shard("t", (3,)))


def test_what_has_not_begun_is_lent_at_once():
    _, lending = holding((1, 2, 3, 4))
    through(lending, 9, size=2, seconds=10.0)
    assert lending.lend([9], 1.0) == (9, Shard("t", (3, 4)))


def test_the_fastest_idle_worker_comes_first():
    _, lending = holding((1, 2, 3, 4, 5, 6))
    through(lending, 7, size=2, seconds=10.0)
    through(lending, 8, size=8, seconds=12.0)
    through(lending, 9, size=1, seconds=9.0)
    assert lending.lend([7, 8, 9], 1.0) == (8, Shard("t", (5, 6)))
    assert lending.lend([7, 9], 1.0) == (7, Shard("t", (3, 4)))


def test_one_that_has_finished_nothing_is_no_help_yet():
    """Nobody knows its speed."""
    _, lending = holding((1, 2, 3, 4))
    assert lending.lend([9], 1000.0) is None
    assert lending.until([9]) == INF
    lending.reported(9, 1, 5.0)  # a sample without a request: no batch
    assert lending.lend([9], 1000.0) is None
    through(lending, 9, size=2, seconds=10.0)
    lending.forget(9)
    assert lending.lend([9], 1000.0) is None


def test_a_holder_that_is_gone_or_through_is_not_repeated():
    queue, lending = holding((1, 2), (3, 4))
    through(lending, 9, size=2, seconds=10.0)
    lending.forget(1)
    for row in (3, 4):
        queue.finish(2, row)
    lending.reported(2, 2, 12.0)
    assert lending.until([9]) == INF
    assert lending.lend([9], 1000.0) is None
