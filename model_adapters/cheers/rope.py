"""Rotary positions (Su et al., 2021, RoFormer), computed where they are used.

Nothing is stored in buffers, so a model built on the meta device has nothing to repair.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rotary(positions: Tensor, dim: int, base: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, computed in float32.

    Args:
        positions: integer positions (B, L).
        dim: width of a head; frequencies are laid out twice, first half and second half.
        base: base of the frequencies.
        dtype: data type of the result.

    Returns:
        Cosines and sines, each (B, L, dim).

    Example:
        >>> cos, sin = rotary(torch.arange(3)[None], 8, 10000.0, torch.float32)
        >>> cos.shape, float(sin[0, 0, 0])
        (torch.Size([1, 3, 8]), 0.0)
    """
    exponent = torch.arange(0, dim, 2, dtype=torch.float32, device=positions.device) / dim
    angles = positions[..., None].float() * (1.0 / base**exponent)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions (B or 1, L, dim) to queries or keys (B, heads, L, dim)."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x * cos.unsqueeze(1) + turned * sin.unsqueeze(1)


def folded_positions(length: int, device: torch.device) -> Tensor:
    """Positions of stage 2 (1, L): arange(L/2), then arange(L/2) again.

    The second half of an image has the positions of the first half. The released weights were
    trained with it, so it is kept.
    """
    return torch.arange(length // 2, device=device).repeat(2)[None]
