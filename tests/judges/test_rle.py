"""Run lengths agree with pycocotools and come back unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from tasks.judges import RLE, Instances, decode_mask, encode_mask, mask_box

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)


@given(hnp.arrays(bool, SHAPES))
def test_masks_come_back(mask: np.ndarray):
    rle = encode_mask(mask)
    assert np.array_equal(decode_mask(rle), mask)
    assert all(count > 0 for count in rle.counts[1:])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_runs_are_cocos(mask: np.ndarray):
    rle = encode_mask(mask)
    packed = coco.frPyObjects({"size": list(rle.size), "counts": list(rle.counts)}, *rle.size)
    assert np.array_equal(coco.decode(packed).astype(bool), mask)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_boxes_are_cocos(mask: np.ndarray):
    x, y, width, height = coco.toBbox(coco.encode(np.asfortranarray(mask.astype(np.uint8))))
    x0, y0, x1, y1 = mask_box(mask)
    if mask.any():
        assert (x0, y0, x1, y1) == (x, y, x + width, y + height)
    else:
        assert (x0, y0, x1, y1) == (0, 0, 0, 0)


@pytest.mark.parametrize("counts", [(3,), (1, 4), (5, -1), ()])
def test_runs_that_do_not_fit_are_refused(counts: tuple[int, ...]):
    with pytest.raises(ValueError, match="don't fit a mask of 2x2"):
        decode_mask(RLE(size=(2, 2), counts=counts))


@given(st.integers(0, 3))
def test_a_mask_has_two_axes(axes: int):
    if axes == 2:
        return
    with pytest.raises(ValueError, match="height and width"):
        encode_mask(np.zeros((2,) * axes))


def test_rows_put_the_score_behind_the_box():
    boxes = np.arange(8, dtype=np.float32).reshape(2, 4)
    found = Instances(boxes=boxes, scores=np.array([0.5, 0.25], np.float32))
    assert found.rows().tolist() == [[0, 1, 2, 3, 0.5], [4, 5, 6, 7, 0.25]]
