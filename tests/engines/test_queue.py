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


def lendable(*rows: tuple[int, ...], attempts: int = 3) -> ShardQueue:
    made = ShardQueue(attempts, lendable={"t"})
    made.add(Shard("t", shard) for shard in rows)
    for worker, shard in enumerate(rows, start=1):
        made.lease(worker)
        made.begin(worker, shard[:2])
    return made


def test_what_has_not_begun_is_lent_from_the_end_of_the_fullest_lease():
    q = lendable((1, 2, 3, 4), (11, 12, 13, 14, 15, 16, 17))
    assert q.lend_rest(9) == Shard("t", (16, 17))
    assert q.lend_rest(8) == Shard("t", (14, 15))
    assert q.lend_rest(7) == Shard("t", (3, 4))
    assert q.lend_rest(6) == Shard("t", (13,))
    assert q.lend_rest(5) is None, "every row has two holders at most"
    assert q.lent == 7


def test_a_shard_that_nobody_has_begun_is_not_lent():
    q = ShardQueue(3, lendable={"t"})
    q.add([Shard("t", (1, 2, 3))])
    q.lease(1)
    assert q.lend_rest(9) is None
    assert q.lend_batch(9, 1) is None


def test_a_batch_in_flight_is_lent_once():
    q = lendable((1, 2, 3))
    assert q.lendable_batch(1) == [1, 2]
    assert q.lend_batch(9, 1) == Shard("t", (1, 2))
    assert q.lendable_batch(1) == []
    assert q.lend_batch(8, 1) is None
    q.begin(9, [1, 2])
    assert q.lend_batch(8, 9) is None


@pytest.mark.parametrize(("first", "second"), [(1, 9), (9, 1)])
def test_the_first_report_counts_and_takes_the_row_from_both(first: int, second: int):
    q = lendable((1, 2))
    q.lend_batch(9, 1)
    q.begin(9, [1, 2])
    assert q.finish(first, 1)
    assert not q.finish(second, 1)
    assert q.finish(second, 2)
    assert not q.finish(first, 2)
    assert q.done, "although both still work"
    assert not q.holds(1)
    assert not q.holds(9)
    assert q.release(first)
    assert q.lose(second) == []
    assert not any(q.losses(n) for n in (1, 2))


@pytest.mark.parametrize(("first", "second"), [(1, 9), (9, 1)])
def test_a_row_and_its_copy_are_one_attempt(first: int, second: int):
    q = lendable((1, 2), attempts=2)
    q.lend_batch(9, 1)
    q.begin(9, [1, 2])
    assert q.lose(first) == []
    assert [q.losses(n) for n in (1, 2)] == [0, 0]
    assert (len(q), q.done) == (0, False), "the other has them"
    assert q.lose(second) == []
    assert [q.losses(n) for n in (1, 2)] == [1, 1]
    assert drained(q) == [(1,), (2,)]


def test_a_lost_holder_leaves_what_it_alone_had():
    q = lendable((1, 2, 3, 4, 5, 6))
    assert q.lend_rest(9) == Shard("t", (5, 6))
    assert q.lose(1) == []
    assert [q.losses(n) for n in range(1, 7)] == [1, 1, 0, 0, 0, 0]
    assert [q.finish(9, n) for n in (5, 6)] == [True, True]
    assert q.release(9)
    assert drained(q) == [(1,), (2,), (3, 4)]


def test_a_holder_lost_with_a_lent_batch_leaves_the_rest_as_it_was():
    q = lendable((1, 2, 3, 4))
    q.lend_batch(9, 1)
    assert q.lose(1) == []
    assert [q.finish(9, n) for n in (1, 2)] == [True, True]
    assert drained(q) == [(3, 4)]


@pytest.mark.parametrize("begun", [[], [1]])
def test_what_a_lost_worker_held_is_never_lent(begun: list[int]):
    """Whatever it was lost of, it may be lost of that again."""
    q = ShardQueue(5, lendable={"t"})
    q.add([Shard("t", (1, 2))])
    q.lease(1)
    q.begin(1, begun)
    q.lose(1)
    worker = 1
    while (shard := q.lease(worker := worker + 1)) is not None:
        q.begin(worker, shard.rows[:1])
        assert q.lend_rest(99) is None
        assert q.lend_batch(99, worker) is None


def test_a_copy_that_was_lost_is_not_lent_again():
    q = lendable((1, 2))
    q.lend_batch(9, 1)
    q.begin(9, [1, 2])
    q.lose(9)
    assert q.lend_batch(8, 1) is None


def test_other_tasks_and_dropped_ones_are_not_lent():
    q = ShardQueue(3, lendable={"a"})
    q.add([Shard("a", (1, 2, 3)), Shard("b", (11, 12, 13, 14))])
    for worker, row in ((1, 1), (2, 11)):
        q.lease(worker)
        q.begin(worker, [row])
    assert q.lend_rest(9) == Shard("a", (3,))
    assert q.lendable_batch(2) == []
    q.drop("a")
    assert q.lend_rest(8) is None
    assert q.lend_batch(8, 1) is None


def test_a_lent_shard_handed_back_stays_with_its_holder():
    q = lendable((1, 2))
    q.lend_batch(9, 1)
    q.hand_back(9)
    assert len(q) == 0
    q.hand_back(1)
    assert drained(q) == [(1, 2)]


@pytest.mark.parametrize("seed", range(40))
def test_every_row_ends_exactly_once_although_some_are_lent(seed: int):
    dice = random.Random(seed)
    sizes = [*(dice.randint(1, 9) for _ in range(12)), 9, 9, 9]
    rows = iter(range(1000))
    q = ShardQueue(dice.randint(1, 4), lendable={"t"})
    q.add(Shard("t", tuple(next(rows) for _ in range(size))) for size in sizes)
    ends: Counter[int] = Counter()
    held: dict[int, list[int]] = {}
    for _ in range(100_000):
        if q.done:
            break
        worker = dice.randrange(6)
        if worker not in held:
            shard = q.lease(worker) or q.lend_rest(worker)
            if shard is None and held:
                shard = q.lend_batch(worker, dice.choice(list(held)))
            if shard is not None:
                held[worker] = list(shard.rows)
        elif dice.random() < 0.03:
            ends.update(q.lose(worker))
            del held[worker]
        elif held[worker] and dice.random() < 0.5:
            q.begin(worker, held[worker][:2])
        elif held[worker]:
            ends.update(n for n in held[worker][:1] if q.finish(worker, n))
            del held[worker][0]
        else:
            assert q.release(worker)
            del held[worker]
    assert q.done
    assert ends == Counter(range(sum(sizes)))
    assert q.lent > 0
