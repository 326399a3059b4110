"""What reading a prompt costs a language model."""

from __future__ import annotations

from typing import Any

__all__ = ["layers_flops"]


def layers_flops(layers: Any, width: int, tokens: int) -> float:
    """Floating-point operations of transformer layers over tokens that see each other fully.

    Two per weight and token in the linear layers, and 4 n^2 d per layer for scores and values of
    the attention; norms, biases and activations are left out.

    Args:
        layers: A `ModuleList` of torch, one module per layer.
        width: Of the hidden states.
        tokens: How many there are.
    """
    weights = sum(p.numel() for p in layers.parameters() if p.ndim == 2)
    return float(2 * weights * tokens + 4 * len(layers) * width * tokens**2)
