from __future__ import annotations

import pytest
import torch

from model_adapters.cheers.backbone import window_mask
from model_adapters.cheers.cache import KVCache


def empty(rows: int, columns: int = 2) -> KVCache:
    return KVCache.empty(1, (rows, 1, columns, 1), torch.float32, torch.device("cpu"))


def fill(cache: KVCache, values: list[list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    new = torch.tensor(values)[:, None, :, None]
    return cache.window(new.shape[2]).update(new, -new, 0)


def test_rows_write_behind_their_own_last_token() -> None:
    cache = empty(2)
    fill(cache, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    cache.commit([3, 1])
    keys, values = fill(cache, [[7.0, 8.0], [9.0, 10.0]])
    assert keys[:, 0, :, 0].tolist() == [[1, 2, 3, 7, 8], [4, 9, 10, 0, 0]]
    assert torch.equal(values, -keys)


def test_uncommitted_tokens_are_overwritten() -> None:
    cache = empty(1)
    fill(cache, [[1.0]])
    cache.commit([1])
    fill(cache, [[2.0, 3.0]])
    keys, _ = fill(cache, [[4.0]])
    assert keys[0, 0, :, 0].tolist() == [1, 4]


def test_growth_keeps_what_was_written() -> None:
    cache = empty(1, columns=1)
    for value in range(20):
        keys, _ = fill(cache, [[float(value)]])
        cache.commit([1])
    assert keys[0, 0, :, 0].tolist() == list(range(20))
    assert cache.keys[0].shape[2] <= 40
    columns = cache.keys[0].shape[2] - 1
    assert 20 <= columns < 40
    assert cache.nbytes == 2 * columns * cache.keys[0].element_size()


def test_select_copies_rows_in_any_order() -> None:
    cache = empty(2)
    fill(cache, [[1.0, 2.0], [3.0, 4.0]])
    cache.commit([2, 1])
    chosen = cache.select([1, 0, 1])
    assert chosen.lengths == [1, 2, 1]
    fill(chosen, [[9.0], [9.0], [9.0]])
    assert cache.keys[0][:, 0, :2, 0].tolist() == [[1, 2], [3, 4]]


def test_window_mask_hides_stale_columns() -> None:
    cache = empty(2)
    fill(cache, [[1.0, 2.0], [3.0, 4.0]])
    cache.commit([2, 1])
    window = cache.window(2)
    assert window.positions.tolist() == [[2, 3], [1, 2]]
    mask = window_mask(window, causal=True)
    assert mask is not None
    assert mask.tolist() == [
        [[True, True, True, False], [True, True, True, True]],
        [[True, True, False, False], [True, True, True, False]],
    ]
    image = window_mask(window, causal=False)
    assert image is not None
    assert image[1].tolist() == [[True, True, True, False]] * 2


def test_rows_of_one_length_need_no_mask_for_an_image_or_a_token() -> None:
    cache = empty(2)
    fill(cache, [[1.0, 2.0], [3.0, 4.0]])
    cache.commit([2, 2])
    assert window_mask(cache.window(3), causal=False) is None
    assert window_mask(cache.window(1), causal=True) is None
    text = window_mask(cache.window(2), causal=True)
    assert text is not None
    assert text[0].tolist() == [[True, True, True, False], [True] * 4]


def test_select_can_make_room() -> None:
    cache = empty(2)
    fill(cache, [[1.0, 2.0], [3.0, 4.0]])
    cache.commit([2, 2])
    wide = cache.select([1], 9)
    before = wide.keys[0].data_ptr()
    fill(wide, [[9.0] * 7])
    assert wide.keys[0].data_ptr() == before
    assert wide.keys[0][0, 0, :4, 0].tolist() == [3, 4, 9, 9]


def test_join_puts_rows_behind_rows() -> None:
    first, second = empty(2), empty(1, columns=5)
    fill(first, [[1.0, 2.0], [3.0, 4.0]])
    first.commit([2, 1])
    fill(second, [[5.0, 6.0, 7.0]])
    second.commit([3])
    joined = first.join(second)
    assert joined.lengths == [2, 1, 3]
    keys, values = fill(joined, [[8.0]] * 3)
    assert keys[:, 0, :, 0].tolist() == [[1, 2, 8, 0], [3, 8, 0, 0], [5, 6, 7, 8]]
    assert torch.equal(values, -keys)


@pytest.mark.parametrize("lengths", [[2, 2], [2, 1]])
def test_the_window_stays_until_tokens_are_kept(lengths: list[int]) -> None:
    cache = empty(2)
    fill(cache, [[1.0, 2.0], [3.0, 4.0]])
    cache.commit(lengths)
    window = cache.window(3)
    assert cache.window(3) is window
    assert cache.window(1) is not window
    assert cache.window(3).positions.tolist() == [[n, n + 1, n + 2] for n in lengths]
    cache.commit([3, 3])
    assert cache.window(3).positions[:, 0].tolist() == [n + 3 for n in lengths]
    assert cache.select([1]).window(3).positions.tolist() == [
        [n + 3 + i for i in range(3)] for n in lengths[1:]
    ]
