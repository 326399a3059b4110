"""The pixel-unshuffle projector: four neighbouring patches become one token of the backbone."""

from __future__ import annotations

import math

from torch import Tensor, nn

LAYER_NORM_EPS = 1e-5


def gather_neighbours(patches: Tensor) -> Tensor:
    """Gather 2x2 neighbours: (N, P, width) to (N, P/4, 4 * width).

    Blocks run row by row; within a block come the four positions, row by row, each with all its
    channels.

    Example:
        >>> import torch
        >>> gather_neighbours(torch.arange(16.0).view(1, 16, 1))[0, 0].tolist()
        [0.0, 1.0, 4.0, 5.0]
    """
    count, length, width = patches.shape
    side = math.isqrt(length) // 2
    blocks = patches.view(count, side, 2, side, 2, width).permute(0, 1, 3, 2, 4, 5)
    return blocks.reshape(count, side * side, 4 * width)


def spread_neighbours(tokens: Tensor) -> Tensor:
    """Undo `gather_neighbours`, the head's PixelShuffle: (N, T, 4 * width) to (N, 4T, width)."""
    count, length, width = tokens.shape
    side = math.isqrt(length)
    blocks = tokens.view(count, side, side, 2, 2, width // 4).permute(0, 1, 3, 2, 4, 5)
    return blocks.reshape(count, 4 * length, width // 4)


class UnderstandingProjector(nn.Module):
    """Norm, gather, two layers (`model.und_projector`)."""

    def __init__(self, vision_width: int, text_width: int) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(vision_width, eps=LAYER_NORM_EPS)
        self.mlp = nn.Sequential(
            nn.Linear(4 * vision_width, 4 * vision_width),
            nn.GELU(),
            nn.Linear(4 * vision_width, text_width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map the tower's hidden states (N, P, vision width) to tokens (N, P/4, text width)."""
        tokens: Tensor = self.mlp(gather_neighbours(self.layernorm(hidden)))
        return tokens
