from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model_adapters.cheers.config import CheersConfig
from model_adapters.cheers.prompt import Prompt, check_prompts
from model_adapters.cheers.sequence import (
    IGNORE,
    LayoutError,
    SpecialTokenIds,
    lay_out,
    unconditional,
    unpad,
)

SPECIAL = SpecialTokenIds()
IMAGE, IMAGE_GEN = SPECIAL.image_token_index, SPECIAL.image_gen_token_index
rows = st.lists(
    st.lists(st.sampled_from([3, 4, IMAGE, IMAGE_GEN]), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


def test_images_expand_in_place_and_a_dummy_stands_in_front() -> None:
    layout = lay_out([[1, IMAGE, 2], [5]], [False, True], SPECIAL, 2, [[7, 8, 9], [4]])
    assert layout.ids.tolist() == [[1, 0, 0, 2], [0, 0, 5, 0]]
    assert layout.block.tolist() == [[0, 1, 1, 0], [0, 0, 0, 0]]
    assert layout.visual.tolist() == [
        [False, True, True, False],
        [True, True, False, False],
    ]
    assert layout.labels.tolist() == [[7, IGNORE, IGNORE, 9], [IGNORE, IGNORE, 4, IGNORE]]
    assert layout.lengths == [4, 3]


@given(rows)
def test_attention_is_causal_but_within_an_image(ids: list[list[int]]) -> None:
    layout = lay_out(ids, [False] * len(ids), SPECIAL, 3)
    allowed = layout.attention()
    for b, q, k in torch.cartesian_prod(
        torch.arange(len(ids)), *[torch.arange(layout.ids.shape[1])] * 2
    ).tolist():
        valid_q, valid_k = bool(layout.valid[b, q]), bool(layout.valid[b, k])
        same = layout.block[b, q] == layout.block[b, k] > 0
        want = (valid_q and valid_k and (k <= q or same)) or (not valid_q and not valid_k)
        assert bool(allowed[b, q, k]) == want


@given(rows)
def test_every_query_sees_something(ids: list[list[int]]) -> None:
    assert bool(lay_out(ids, [True] * len(ids), SPECIAL, 2).attention().any(-1).all())


def test_a_dummy_is_causal_like_text() -> None:
    allowed = lay_out([[5]], [True], SPECIAL, 3).attention()[0]
    assert torch.equal(allowed, torch.ones(4, 4, dtype=torch.bool).tril())


def test_unconditional_keeps_brackets_and_images_only() -> None:
    row = [1, SPECIAL.im_start, IMAGE, SPECIAL.im_end, IMAGE_GEN, SPECIAL.pad]
    assert unconditional(row, SPECIAL) == [
        SPECIAL.no_mean,
        SPECIAL.im_start,
        IMAGE,
        SPECIAL.im_end,
        SPECIAL.no_mean,
        SPECIAL.no_mean,
    ]


def test_unpad_drops_left_and_right_padding() -> None:
    ids = torch.tensor([[0, 1, 2], [3, 4, 0]])
    mask = torch.tensor([[0, 1, 1], [1, 1, 0]])
    assert unpad(ids, mask) == [[1, 2], [3, 4]]
    assert unpad(ids, None) == ids.tolist()


def test_prompts_that_do_not_fit_are_named_by_row(
    config: CheersConfig, pixels: Callable[[int], Tensor]
) -> None:
    good = Prompt([1, IMAGE], (pixels(0),))
    with pytest.raises(LayoutError, match="row 1: the ids place 1 images but 0 came"):
        check_prompts([good, Prompt([1, IMAGE])], config)
    with pytest.raises(LayoutError, match=r"row 0: an image has shape \(3, 8, 8\)"):
        check_prompts([Prompt([1, IMAGE], (torch.zeros(3, 8, 8),))], config)
