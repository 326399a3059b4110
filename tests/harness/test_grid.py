"""Grids of pictures: what is pasted comes out again, and nothing else is taken for a grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.grid import cut_grid, paste_grid


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_what_is_pasted_is_cut_out(count: int, width: int, height: int, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    grid = paste_grid([Image.fromarray(one) for one in pixels])
    for cell in range(4):
        expected = pixels[cell] if cell < count else np.zeros((height, width, 3), np.uint8)
        assert np.array_equal(np.asarray(cut_grid(grid, cell)), expected)


def test_cells_are_read_like_a_page():
    colors = ["red", "lime", "blue", "white"]
    grid = paste_grid([Image.new("RGB", (1, 1), color) for color in colors])
    assert np.asarray(grid).tolist() == [
        [[255, 0, 0], [0, 255, 0]],
        [[0, 0, 255], [255, 255, 255]],
    ]


@pytest.mark.parametrize("sizes", [[], [(1, 1)] * 5, [(1, 1), (1, 2)]])
def test_what_makes_no_grid_is_refused(sizes: list[tuple[int, int]]):
    with pytest.raises(ValueError, match="1 to 4 pictures of one size"):
        paste_grid([Image.new("RGB", size) for size in sizes])


@pytest.mark.parametrize(("size", "cell"), [((3, 2), 0), ((2, 3), 0), ((2, 2), 4), ((2, 2), -1)])
def test_what_is_no_grid_is_refused(size: tuple[int, int], cell: int):
    with pytest.raises(ValueError, match=r"four equal pictures|cells 0 to 3"):
        cut_grid(Image.new("RGB", size), cell)
