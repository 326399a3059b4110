"""torch's counter of operations, with attention counted alike on every machine and release."""

from __future__ import annotations

from typing import Any

__all__ = ["attention_flops", "flop_counter"]

_FUSED = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
)
"""Fused attention of `torch.ops.aten`, as far as the installed torch has it. The unfused one is
taken apart into matrix products, which are counted as such."""


def flop_counter() -> Any:
    """A `FlopCounterMode` that is silent and knows every fused attention.

    torch's own formula refuses grouped queries in older releases, and never knew the processor's
    fused attention.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    found = [getattr(torch.ops.aten, name, None) for name in _FUSED]
    formulas = {operator: _of_call for operator in found if operator is not None}
    return FlopCounterMode(display=False, custom_mapping=formulas)


def attention_flops(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...]) -> int:
    """Operations of the scores and of the weighted values, masked ones included.

    Heads of keys and values that several queries share are computed with once per query head.

    Args:
        query: Shape (batch, query heads, queries, head width).
        key: Shape (batch, heads, keys, head width).
        value: Shape (batch, heads, keys, value width).

    Example:
        >>> attention_flops((1, 4, 2, 8), (1, 2, 3, 8), (1, 2, 3, 16))
        1152
    """
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[-2] * (width + value[-1])


def _of_call(
    query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], *_: object, **__: object
) -> int:
    return attention_flops(query, key, value)
