"""Cutting: every row once, in order, groups kept where that's cheap, sizes that fall."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.shards import Cut, Rows, cut

CUTS = st.builds(
    Cut,
    workers=st.integers(1, 300),
    batch=st.integers(1, 32),
    share=st.sampled_from([0.9, 1.0, 1.5, 2.0, 4.0]),
)


@st.composite
def works(draw: st.DrawFn) -> list[Rows]:
    first, work = 0, []
    for number in range(draw(st.integers(0, 3))):
        sizes = draw(st.lists(st.integers(1, 7), max_size=40))
        groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
        rows = [(first + n, group) for n, group in enumerate(groups)]
        first += 1000
        work.append(Rows(f"t{number}", rows, draw(st.booleans())))
    return work


@given(works(), CUTS)
def test_every_row_is_in_one_shard_in_order(work: list[Rows], how: Cut):
    shards = cut(work, how)
    for part in work:
        rows = [n for shard in shards if shard.task == part.task for n in shard.rows]
        assert rows == [n for n, _ in part.rows]
    assert all(shard.rows for shard in shards)


@given(works(), CUTS)
def test_shards_are_bounded_and_what_is_whole_stays_whole(work: list[Rows], how: Cut):
    shards = cut(work, how)
    whole = {part.task for part in work if part.whole}
    count = Counter(shard.task for shard in shards)
    assert all(count[part.task] == 1 for part in work if part.whole and part.rows)
    largest = max((len(s.rows) for s in shards if s.task not in whole), default=0)
    assert largest <= how.most_batches * how.batch


@given(works(), CUTS)
def test_a_cut_through_a_group_is_needed(work: list[Rows], how: Cut):
    """Where a shard ends inside a group, no group ended in its last quarter."""
    for part in work:
        group = dict(part.rows)
        shards = [shard for shard in cut(work, how) if shard.task == part.task]
        for shard, following in itertools.pairwise(shards):
            if group[shard.rows[-1]] != group[following.rows[0]]:
                continue
            late = shard.rows[-(len(shard.rows) // 4 + 1) :]
            assert len({group[n] for n in late}) == 1


@pytest.mark.parametrize("share", [1.0, 2.0, 3.0])
def test_sizes_never_grow(share: float):
    work = [Rows("t", [(n, str(n)) for n in range(5000)])]
    sizes = [len(s.rows) for s in cut(work, Cut(workers=16, batch=8, share=share))]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_geneval_on_256_workers_by_hand():
    """2,212 images: two whole prompts for each worker, then 164 single images."""
    work = [Rows("geneval", [(n, f"{n // 4:05d}") for n in range(4 * 553)])]
    sizes = [len(s.rows) for s in cut(work, Cut(workers=256, batch=8, share=1.0))]
    assert sizes == [8] * 256 + [1] * 164


def test_large_shards_hold_whole_batches():
    work = [Rows("t", [(n, str(n)) for n in range(1000)])]
    shards = cut(work, Cut(workers=2, batch=6, share=2.0))
    assert [len(s.rows) for s in shards[:4]] == [48, 48, 48, 48]
    assert all(len(s.rows) % 6 == 0 for s in shards if len(s.rows) > 6)


def test_rows_that_are_done_leave_no_hole():
    """A resumed run is cut anew over what is left, whatever that is."""
    left = [(n, str(n // 4)) for n in range(40) if n % 3]
    shards = cut([Rows("t", left)], Cut(workers=2, batch=4))
    assert [n for shard in shards for n in shard.rows] == [n for n, _ in left]
