"""Attention's operations, against arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from harness.torch_support.flops import flop_counter

BATCH, HEADS, SHARED, QUERIES, KEYS, WIDTH = 2, 8, 2, 5, 9, 16
SCORES = 2 * BATCH * HEADS * QUERIES * KEYS * WIDTH
ATEN = torch.ops.aten

FUSED: dict[str, tuple[object, ...]] = {
    "_scaled_dot_product_flash_attention": (),
    "_scaled_dot_product_efficient_attention": (None, False),
    "_scaled_dot_product_cudnn_attention": (None, False),
    "_scaled_dot_product_flash_attention_for_cpu": (),
    "_scaled_dot_product_fused_attention_overrideable": (),
}
"""Fused attention with what each wants behind query, key and value."""


def shapes(device: str, heads: int = SHARED) -> tuple[Tensor, Tensor, Tensor]:
    kind = torch.float32 if device == "cpu" else torch.float16
    query = torch.zeros(BATCH, HEADS, QUERIES, WIDTH, dtype=kind, device=device)
    key = torch.zeros(BATCH, heads, KEYS, WIDTH, dtype=kind, device=device)
    return query, key, key


def counted(work: Callable[[], object]) -> int:
    with torch.no_grad(), flop_counter() as counter:
        work()
    return int(counter.get_total_flops())


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's formula as it was before it knew grouped queries: it demands equal heads."""

    def count(query: list[int], key: list[int], value: list[int]) -> int:
        assert query[1] == key[1] == value[1]
        return -1

    monkeypatch.setattr("torch.utils.flop_counter.sdpa_flop_count", count)


@pytest.mark.parametrize("heads", [HEADS, SHARED])
@pytest.mark.parametrize("name", FUSED)
def test_every_fused_attention_is_counted_by_query_heads(name: str, heads: int):
    if not hasattr(ATEN, name):
        pytest.skip("this torch hasn't got it")
    attend = getattr(ATEN, name)
    assert counted(lambda: attend(*shapes("meta", heads), *FUSED[name])) == 2 * SCORES


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("name", FUSED)
def test_grouped_queries_are_counted_also_where_torch_s_formula_refuses_them(name: str):
    if not hasattr(ATEN, name):
        pytest.skip("this torch hasn't got it")
    attend = getattr(ATEN, name)
    assert counted(lambda: attend(*shapes("meta"), *FUSED[name])) == 2 * SCORES


@pytest.mark.usefixtures("older")
def test_grouped_queries_of_a_real_call_are_counted():
    q, k, v = shapes("cpu")
    attend = F.scaled_dot_product_attention
    assert counted(lambda: attend(q, k, v, enable_gqa=True)) == 2 * SCORES


def test_unfused_attention_costs_the_same():
    q, k, v = shapes("cpu")
    mask = torch.ones(QUERIES, KEYS, dtype=torch.bool)
    unfused = ATEN._scaled_dot_product_attention_math
    assert counted(lambda: unfused(q, k, v, mask, enable_gqa=True)) == 2 * SCORES


def test_values_of_another_width_are_counted_by_it():
    q, k, _ = shapes("meta")
    wide = torch.zeros(BATCH, SHARED, KEYS, 3 * WIDTH, dtype=q.dtype, device="meta")
    attend = ATEN._scaled_dot_product_efficient_attention
    assert counted(lambda: attend(q, k, wide, None, False)) == 4 * SCORES
