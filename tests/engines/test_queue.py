"""The queue: every row ends once, and who is to blame for a loss."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from harness.engines.queue import ShardQueue
from harness.engines.shards import Shard


def queue(*rows: tuple[int, ...], attempts: int = 3) -> ShardQueue:
    made = ShardQueue(attempts)
    made.add(Shard("t", shard) for shard in rows)
    return made


def drained(q: ShardQueue, worker: int = 99) -> list[tuple[int, ...]]:
    found = []
    while (shard := q.lease(worker)) is not None:
        found.append(shard.rows)
        for n in shard.rows:
            assert q.finish(worker, n)
        assert q.release(worker)
    return found


def test_suspects_are_tried_alone_and_the_rest_as_it_was():
    q = queue((1, 2, 3, 4, 5, 6), (7, 8))
    q.lease(1)
    q.begin(1, [1, 2])
    q.finish(1, 1)
    q.finish(1, 2)
    q.begin(1, [3, 4])
    assert q.lose(1) == []
    assert [q.losses(n) for n in range(1, 7)] == [0, 0, 1, 1, 0, 0]
    assert drained(q) == [(3,), (4,), (5, 6), (7, 8)]
    assert q.done


def test_a_batch_is_begun_in_any_order():
    q = queue((1, 2, 3, 4))
    q.lease(1)
    q.begin(1, [1, 3])
    q.lose(1)
    assert drained(q) == [(1,), (3,), (2, 4)]


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_shard_that_was_lost_before_it_had_begun_waits_again_whole(attempts: int):
    rows = tuple(range(64))
    q = queue(rows, (64, 65), attempts=attempts)
    q.lease(1)
    assert q.lose(1) == []
    assert not any(q.losses(n) for n in rows)
    assert drained(q) == [rows, (64, 65)]


def test_the_second_time_it_is_halved_and_held_against_nobody():
    q = queue((1, 2, 3, 4, 5), (6,), attempts=1)
    for worker in (1, 2):
        q.lease(worker)
        assert q.lose(worker) == []
    assert drained(q) == [(1, 2), (3, 4, 5), (6,)]
    assert not any(q.losses(n) for n in range(1, 7))


def test_what_was_reported_of_it_stays_reported():
    q = queue((1, 2, 3, 4), attempts=1)
    q.lease(1)
    q.begin(1, [1])
    q.finish(1, 1)
    assert q.lose(1) == []  # between two batches
    assert drained(q) == [(2, 3, 4)]


@pytest.mark.parametrize("attempts", [1, 2, 4])
@pytest.mark.parametrize("deadly", [0, 41, 63])
def test_a_row_that_kills_workers_before_they_begin_is_found(attempts: int, deadly: int):
    q = queue(tuple(range(64)), attempts=attempts)
    given_up, finished, lost = [], [], 0
    while (shard := q.lease(1)) is not None:
        if deadly in shard.rows:
            lost += 1
            given_up += q.lose(1)
            continue
        finished += [n for n in shard.rows if q.finish(1, n)]
        assert q.release(1)
    assert given_up == [deadly]
    assert sorted([*finished, deadly]) == list(range(64))
    assert q.losses(deadly) == attempts
    # Once as it is, once for each of the six halvings, and then as often as any suspect.
    assert lost == 1 + 6 + attempts


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_a_row_is_given_up_after_that_many_losses(attempts: int):
    q = queue((1,), attempts=attempts)
    for loss in range(1, attempts + 1):
        q.lease(loss)
        q.begin(loss, [1])
        assert q.lose(loss) == ([1] if loss == attempts else [])
    assert q.done


def test_rows_left_out_by_a_worker_count_as_lost():
    q = queue((1, 2), attempts=1)
    q.lease(1)
    q.finish(1, 1)
    assert not q.release(1)
    assert q.lose(1) == [2]


def test_late_and_double_reports_are_ignored():
    q = queue((1, 2))
    q.lease(1)
    assert q.finish(1, 1)
    assert not q.finish(1, 1)
    assert not q.finish(1, 77)
    q.lose(1)
    assert not q.finish(1, 2)


def test_a_shard_handed_back_is_held_against_nobody():
    q = queue((1, 2, 3), attempts=1)
    q.lease(1)
    q.begin(1, [1])
    q.finish(1, 1)
    q.begin(1, [2])
    q.hand_back(1)
    assert drained(q) == [(2, 3)]


def test_dropping_a_task_leaves_others_and_what_is_leased():
    q = ShardQueue(3)
    q.add([Shard("a", (1, 2)), Shard("a", (3,)), Shard("b", (4,))])
    assert q.lease(1) == Shard("a", (1, 2))
    assert q.drop("a") == 1
    assert q.lease(2) == Shard("b", (4,))
    assert q.finish(1, 1)


@pytest.mark.parametrize("begun", [[], [1]])
def test_what_was_leased_of_a_dropped_task_does_not_wait_again(begun: list[int]):
    q = ShardQueue(3)
    q.add([Shard("a", (1, 2)), Shard("a", (3, 4)), Shard("b", (5,))])
    q.lease(1)
    q.lease(2)
    q.begin(1, begun)
    q.drop("a")
    assert q.lose(1) == []
    q.hand_back(2)
    assert drained(q) == [(5,)]
    assert q.done


@pytest.mark.parametrize("seed", range(30))
def test_every_row_ends_exactly_once_whatever_happens(seed: int):
    dice = random.Random(seed)
    attempts = dice.randint(1, 4)
    sizes = [dice.randint(1, 9) for _ in range(20)]
    rows = iter(range(1000))
    q = queue(*(tuple(next(rows) for _ in range(size)) for size in sizes), attempts=attempts)
    ends: Counter[int] = Counter()
    held: dict[int, list[int]] = {}
    for _ in range(100_000):
        if q.done:
            break
        worker = dice.randrange(5)
        if worker not in held:
            shard = q.lease(worker)
            if shard is not None:
                held[worker] = list(shard.rows)
        elif dice.random() < 0.2:
            ends.update(q.lose(worker))
            del held[worker]
        elif held[worker]:
            q.begin(worker, held[worker][:2])
            ends.update(n for n in held[worker][:1] if q.finish(worker, n))
            del held[worker][0]
        else:
            assert q.release(worker)
            del held[worker]
    assert q.done
    assert ends == Counter(range(sum(sizes)))
